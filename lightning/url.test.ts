import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { blocksHost, isHostPattern, matchesHost, normaliseUrl } from "./url.ts";

// Cores may be shared by many: a limit here says nothing about speed.
vi.setConfig({ testTimeout: 30_000 });

const refused = (input: string, local: readonly string[] = []): string | null => {
  const read = normaliseUrl(input, local);
  return read.ok ? null : read.detail;
};
const normal = (input: string, local: readonly string[] = []): string => {
  const read = normaliseUrl(input, local);
  return read.ok ? read.value.url : `refused: ${read.detail}`;
};

describe("normaliseUrl", () => {
  it.each([
    ["https://EXAMPLE.com/Path?Q=1", "https://example.com/Path?Q=1"],
    ["HTTPS://example.com:443", "https://example.com/"],
    ["https://example.com./a", "https://example.com/a"],
    ["https://example.com.:8443/a", "https://example.com:8443/a"],
    ["https://example.com/a/../b/./c", "https://example.com/b/c"],
    ["https://example.com/%2e%2e/b", "https://example.com/b"],
    ["https://example.com/a#fragment", "https://example.com/a"],
    ["https://example.com/a?b#c?d", "https://example.com/a?b"],
    ["https://münchen.example/", "https://xn--mnchen-3ya.example/"],
    ["https://MÜNCHEN.example/", "https://xn--mnchen-3ya.example/"],
    ["https://exa%6Dple.com/", "https://example.com/"],
    ["https://ｅｘａｍｐｌｅ.com/", "https://example.com/"],
    ["https://example。com/", "https://example.com/"],
    ["https://exam\u00adple.com/", "https://example.com/"],
    ["https:example.com", "https://example.com/"],
    ["https://example.com:00443/", "https://example.com/"],
  ])("invariant 16: %s is %s", (input, url) => {
    expect(normal(input)).toBe(url);
  });

  it("says origin, host, port and path as the policy and the journal compare them", () => {
    expect(normaliseUrl("https://API.Example.com.:8443/v1/x?secret=1#f")).toEqual({
      ok: true,
      value: {
        url: "https://api.example.com:8443/v1/x?secret=1",
        origin: "https://api.example.com:8443",
        host: "api.example.com",
        port: 8443,
        path: "/v1/x",
      },
    });
  });

  it.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://8.8.8.8/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1]/",
    "https://[2606:4700:4700::1111]/",
  ])("invariant 16: the IP address %s is refused, however it is spelt", (input) => {
    expect(refused(input)).toBe("IP addresses are not allowed");
  });

  it("invariant 16: every IPv4 address is refused in every spelling that URLs know", () => {
    const spell = fc.constantFrom<(bytes: readonly number[]) => string>(
      ([a = 0, b = 0, c = 0, d = 0]) => String(((a * 256 + b) * 256 + c) * 256 + d),
      ([a = 0, b = 0, c = 0, d = 0]) => `0x${(((a * 256 + b) * 256 + c) * 256 + d).toString(16)}`,
      ([a = 0, b = 0, c = 0, d = 0]) => `0${(((a * 256 + b) * 256 + c) * 256 + d).toString(8)}`,
      (bytes) => bytes.map((byte) => `0x${byte.toString(16)}`).join("."),
      (bytes) => bytes.map((byte) => `0${byte.toString(8)}`).join("."),
      ([a = 0, b = 0, c = 0, d = 0]) => `${a}.${b}.${c * 256 + d}`,
      ([a = 0, b = 0, c = 0, d = 0]) => `${a}.${(b * 256 + c) * 256 + d}.`,
      (bytes) => `[::ffff:${bytes.join(".")}]`,
    );
    fc.assert(
      fc.property(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), spell, (bytes, write) => {
        expect(refused(`https://${write(bytes)}/`)).toBe("IP addresses are not allowed");
      }),
    );
  });

  it("invariant 16: every IPv6 address is refused", () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect(refused(`https://[${address}]/`)).not.toBeNull();
      }),
    );
  });

  it.each([
    "https://localhost/",
    "https://LOCALHOST./",
    "https://a.localhost/",
    "https://intranet/",
    "https://com/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://router.lan/",
    "https://nas.home.arpa/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://x.corp/",
    "https://x.home/",
    "https://x.private/",
    "https://x.test/",
    "https://x.invalid/",
    "https://x.onion/",
    "https://x.LOCAL./",
    "https://localhost.localdomain/",
    "https://ｌｏｃａｌｈｏｓｔ/",
  ])("invariant 16: the internal name in %s is refused", (input) => {
    expect(refused(input)).toBe("internal host names are not allowed");
  });

  it.each([
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://:password@example.com/",
    "https://example.com@evil.example/",
    "https://example.com%40@evil.example/",
  ])("invariant 16: user info in %s is refused", (input) => {
    expect(refused(input)).toBe("user info in the URL");
  });

  it.each([
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "javascript:alert(1)",
    "ws://example.com/",
    "blob:https://example.com/x",
  ])("invariant 16: %s is refused: only https", (input) => {
    expect(refused(input)).toBe("only https");
  });

  it("invariant 16: what the URL parser would quietly mend is refused: spaces, control characters, backslashes", () => {
    for (const character of [" ", "\t", "\n", "\r", "\0", "\u001f", "\u007f", "\\"]) {
      for (const input of [
        `${character}https://example.com/`,
        `https://exa${character}mple.com/`,
        `https://example.com/a${character}b`,
        `https://example.com/${character}`,
      ]) {
        expect(refused(input), JSON.stringify(input)).toBe("the URL contains a space, a control character or a backslash");
      }
    }
  });

  it.each([
    "",
    "example.com",
    "//example.com/",
    "/path",
    "https://",
    "https:///",
    "https://.",
    "https://..",
    "https://example.com../",
    "https://.example.com/",
    "https://example..com/",
    "https://exa!mple.com/",
    "https://exa*mple.com/",
    "https://exa mple.com",
    "https://example.com:99999/",
    "https://example.com:x/",
    "https://[::1/",
    "https://1.2.3.4.5/",
    "https://256.256.256.256/",
    "https://exa<mple.com/",
    "https://xn--a/",
  ])("%j is no URL to go to", (input) => {
    expect(refused(input)).not.toBeNull();
  });

  it("what is too long is refused, also when only its normal form is", () => {
    const longest = `https://example.com/${"a".repeat(8192 - 20)}`;
    expect(refused(longest)).toBeNull();
    expect(refused(`${longest}a`)).toContain("longer than 8192");
    expect(refused(`https://example.com/${"é".repeat(4000)}`)).toContain("longer than 8192");
  });

  it("is idempotent, and its answer is https, without user info, fragment, IP address or trailing dot", () => {
    const part = fc.string({ unit: "binary", maxLength: 12 });
    const name = fc.oneof(
      fc.domain(),
      fc.stringMatching(/^[A-Za-z0-9.%_-]{1,20}$/u),
      fc.string({ unit: "grapheme", maxLength: 8 }),
      fc.ipV4Extended(),
      fc.ipV6().map((ip) => `[${ip}]`),
    );
    const input = fc.oneof(
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc
        .tuple(
          fc.constantFrom("https://", "HTTPS:", "https:////", "http://"),
          name,
          fc.constantFrom("", ".", ":443", ":8443", ".:80"),
          fc.constant("/"),
          part,
        )
        .map((parts) => parts.join("")),
      part,
    );
    fc.assert(
      fc.property(input, (text) => {
        const read = normaliseUrl(text);
        if (!read.ok) return;
        const { url, origin, host, port, path } = read.value;
        expect(normaliseUrl(url)).toEqual(read);
        const again = new URL(url);
        expect([again.protocol, again.username, again.password, again.hash, again.origin, again.pathname]).toEqual([
          "https:",
          "",
          "",
          "",
          origin,
          path,
        ]);
        expect(host).toBe(again.hostname);
        expect(port).toBe(again.port === "" ? 443 : Number(again.port));
        expect(host).toMatch(/^[^.].*[^.]$/u);
        expect(host).not.toMatch(/^[0-9.]+$|^\[/u);
        expect(host).toBe(host.toLowerCase());
      }),
      { numRuns: 150 },
    );
  });

  it("never throws, and a refusal never quotes what was given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const detail = refused(`https://secret-user:${text}@example.com/${text}`);
        if (detail !== null) expect(detail).not.toContain("secret-user");
      }),
    );
  });
});

describe("local development", () => {
  const LOCAL = ["127.0.0.1:8081", "localhost:3000", "[::1]:8082", "seller.test:443"];

  it.each([
    "http://127.0.0.1:8081/a",
    "https://127.0.0.1:8081/a",
    "http://localhost:3000/",
    "http://[::1]:8082/",
    "https://seller.test/",
    "http://LOCALHOST.:3000/",
    "http://0x7f.1:8081/",
  ])("invariant 16: %s is allowed where it is named", (input) => {
    expect(refused(input, LOCAL)).toBeNull();
  });

  it.each([
    "http://127.0.0.1:8082/",
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "http://localhost/",
    "http://127.0.0.2:8081/",
    "http://seller.test/",
    "http://user@localhost:3000/",
    "http://x.localhost:3000/",
    "ftp://localhost:3000/",
  ])("invariant 16: %s is not: an opt-out is for one host and port", (input) => {
    expect(refused(input, LOCAL)).not.toBeNull();
  });

  it("invariant 16: an opt-out changes nothing for other hosts", () => {
    for (const input of ["http://example.com/", "https://10.0.0.1/", "https://example.com/"])
      expect(normal(input, LOCAL)).toBe(normal(input));
  });
});

describe("matchesHost", () => {
  it.each([
    ["example.com", "example.com", 443, true],
    ["example.com", "example.com", 8443, false],
    ["example.com:8443", "example.com", 8443, true],
    ["example.com:8443", "example.com", 443, false],
    ["example.com", "www.example.com", 443, false],
    ["*.example.com", "www.example.com", 443, true],
    ["*.example.com", "a.b.example.com", 443, true],
    ["*.example.com", "example.com", 443, false],
    ["*.example.com", "badexample.com", 443, false],
    ["*.example.com", ".example.com", 443, false],
    ["*.example.com:8443", "www.example.com", 8443, true],
    ["*.example.com:8443", "www.example.com", 443, false],
    ["[::1]:8080", "[::1]", 8080, true],
    ["[::1]", "[::1]", 443, true],
    ["[::1]", "[::1]", 8080, false],
    ["127.0.0.1:80", "127.0.0.1", 80, true],
    ["com", "example.com", 443, false],
  ] as const)("invariant 12: %s and %s port %d: %s", (pattern, host, port, yes) => {
    expect(matchesHost(pattern, host, port)).toBe(yes);
  });

  it.each([
    ["evil.example", "evil.example", 443, true],
    ["evil.example", "evil.example", 8443, true],
    ["evil.example:8443", "evil.example", 8443, true],
    ["evil.example:8443", "evil.example", 443, false],
    ["*.evil.example", "a.evil.example", 8443, true],
    ["*.evil.example", "evil.example", 8443, false],
    ["[::1]", "[::1]", 8080, true],
    ["[::1]:80", "[::1]", 8080, false],
  ] as const)("invariant 12: in a block list %s and %s port %d: %s; without a port it means every port", (pattern, host, port, yes) => {
    expect(blocksHost(pattern, host, port)).toBe(yes);
  });

  it("invariant 12: a listed host matches itself and nothing that merely looks like it", () => {
    fc.assert(
      fc.property(
        fc.domain().map((name) => name.toLowerCase()),
        fc.domain().map((name) => name.toLowerCase()),
        fc.integer({ min: 1, max: 65535 }),
        (host, other, port) => {
          expect(matchesHost(`${host}:${port}`, host, port)).toBe(true);
          expect(matchesHost(`${host}:${port}`, other, port)).toBe(host === other);
          expect(matchesHost(`*.${host}:${port}`, `${other}.${host}`, port)).toBe(true);
          expect(matchesHost(`*.${host}:${port}`, `${other}${host}`, port)).toBe(false);
          expect(matchesHost(`${host}:${port}`, host, port === 65535 ? 1 : port + 1)).toBe(false);
        },
      ),
    );
  });

  it("invariant 12: whatever normaliseUrl lets through can be written as a pattern, and that pattern matches it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.webAuthority({ withPort: true }), fc.stringMatching(/^[!-~]{1,20}(?:\.[!-~]{1,9})?$/u)), (authority) => {
        const read = normaliseUrl(`https://${authority}/`);
        if (!read.ok || read.value.port === 0) return;
        const pattern = `${read.value.host}:${read.value.port}`;
        expect(isHostPattern(pattern)).toBe(true);
        expect(matchesHost(pattern, read.value.host, read.value.port)).toBe(true);
      }),
    );
  });
});
