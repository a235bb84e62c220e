/** Where a request may go at all (invariant 16, the pure half) and how hosts are written and matched. */
import type { HostPattern } from "./policy.ts";

export interface SafeUrl {
  /** scheme://host[:port]/path[?query], no fragment. */
  readonly url: string;
  /** scheme://host[:port] */
  readonly origin: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export type UrlResult = { readonly ok: true; readonly value: SafeUrl } | { readonly ok: false; readonly detail: string };

const MAX_URL = 8192;
const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/u;
const INTERNAL_SUFFIXES = [
  ".localhost",
  ".localdomain",
  ".local",
  ".internal",
  ".intranet",
  ".lan",
  ".home.arpa",
  ".corp",
  ".home",
  ".private",
  ".test",
  ".invalid",
  ".onion",
  ".arpa",
];

/**
 * Normalises (case, trailing dot, punycode, default port) and refuses what an agent must not reach.
 * @param localHosts `host:port` entries that local development allows, http and IP literals included; empty in production
 */
export function normaliseUrl(input: string, localHosts: readonly string[] = []): UrlResult {
  if (input.length > MAX_URL) return { ok: false, detail: `the URL is longer than ${MAX_URL} characters` };
  // The URL parser quietly drops tabs and newlines and turns a backslash into a slash: what was checked must be what was written.
  if (/[\u0000-\u0020\u007f\\]/u.test(input)) return { ok: false, detail: "the URL contains a space, a control character or a backslash" };
  if (!URL.canParse(input)) return { ok: false, detail: "not an absolute URL" };
  const url = new URL(input);
  if (url.username !== "" || url.password !== "") return { ok: false, detail: "user info in the URL" };
  if (url.protocol !== "https:" && url.protocol !== "http:") return { ok: false, detail: "only https" };
  const host = url.hostname.endsWith(".") ? url.hostname.slice(0, -1) : url.hostname;
  url.hostname = host;
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  // Parsers let through more than DNS knows (`a..b`, `a!b`); what no pattern can name, no block list could stop.
  if (!host.startsWith("[") && !HOST_NAME.test(host)) return { ok: false, detail: "no host name" };
  if (!localHosts.includes(`${host}:${port}`)) {
    if (url.protocol !== "https:") return { ok: false, detail: "only https" };
    if (host.startsWith("[") || /^[0-9.]+$/u.test(host)) return { ok: false, detail: "IP addresses are not allowed" };
    if (!host.includes(".") || host === "localhost" || INTERNAL_SUFFIXES.some((suffix) => host.endsWith(suffix)))
      return { ok: false, detail: "internal host names are not allowed" };
  }
  url.hash = "";
  // Percent-encoding lengthens: what is handed on must pass here again.
  if (url.href.length > MAX_URL) return { ok: false, detail: `the URL is longer than ${MAX_URL} characters` };
  const origin = `${url.protocol}//${url.host}`;
  return { ok: true, value: { url: url.href, origin, host, port, path: url.pathname } };
}

/** Does a block list's entry name this host and port? Without a port it means every port: who blocks a host does not mean one door of it. */
export function blocksHost(pattern: HostPattern, host: string, port: number): boolean {
  return matchesHost(/:[0-9]+$/u.test(pattern) ? pattern : `${pattern}:${port}`, host, port);
}

/** Does `host`, `host:port`, `*.host` or `*.host:port` name this host and port? A pattern without a port means 443. */
export function matchesHost(pattern: HostPattern, host: string, port: number): boolean {
  const colon = pattern.lastIndexOf(":");
  const hasPort = colon > pattern.lastIndexOf("]");
  const name = (hasPort ? pattern.slice(0, colon) : pattern).toLowerCase();
  if ((hasPort ? Number(pattern.slice(colon + 1)) : 443) !== port) return false;
  return name.startsWith("*.") ? host.endsWith(name.slice(1)) && host.length > name.length - 1 : name === host;
}

/**
 * Is this a host pattern an operator may write? Only what can match a host as {@link normaliseUrl} writes it: an entry with a
 * trailing dot or an empty label would stand in a block list and block nothing.
 */
export function isHostPattern(pattern: string): boolean {
  const match = /^(?:(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/u.exec(pattern);
  if (match === null) return false;
  const port = match[1] === undefined ? 443 : Number(match[1]);
  return port >= 1 && port <= 65535;
}
