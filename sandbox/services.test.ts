import { describe, expect, it } from "vitest";
import { renderServices, SERVICES } from "./services.ts";

describe("the list of priced routes", () => {
  it("has unique names that a caveat can carry, prices that Aperture does not turn into 1, and anchored paths", () => {
    expect(new Set(SERVICES.map((service) => service.name)).size).toBe(SERVICES.length);
    for (const service of SERVICES) {
      expect(service.name).toMatch(/^[a-z0-9_]{1,64}$/u);
      expect(service.priceSats).toBeGreaterThanOrEqual(1);
      expect(service.pathRegexp).toMatch(/^\^.*\$$/u);
      expect(service.path).toMatch(new RegExp(service.pathRegexp, "u"));
    }
  });

  it("renders every field that Aperture reads, quoted, and nothing it would refuse", () => {
    const joke = SERVICES.filter((service) => service.name === "joke");
    expect(renderServices(joke, "127.0.0.1:8080")).toBe(
      [
        "services:",
        '  - name: "joke"',
        '    pathregexp: "^/joke(/.*)?$"',
        '    address: "127.0.0.1:8080"',
        '    protocol: "http"',
        '    auth: "on"',
        '    authscheme: "l402"',
        "    price: 21",
        "    timeout: 3600",
        '    capabilities: "read,tell"',
        "    constraints:",
        '      "joke_volume": "11"',
        "",
      ].join("\n"),
    );
  });

  it("writes a rate limit's period as a duration string, since Aperture refuses a bare integer", () => {
    const text = renderServices(SERVICES, "127.0.0.1:1");
    expect(text).toContain('      - pathregexp: "^/limited$"\n        requests: 3\n        per: "10s"\n        burst: 3\n');
    expect(text).toContain('    headers:\n      "Authorization": "Bearer upstream"\n');
    expect(text).toContain('auth: "off"');
  });
});
