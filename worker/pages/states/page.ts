/**
 * `GET /states`: the state machine as it is, drawn from the table itself. Public, the same for everybody, no data, no script. The one
 * inline style is allowed by its hash, so that the policy can refuse everything else (CSP Level 3, section 6.7.2.3).
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";
import { EVENTS, STATES } from "../../../lightning/purchase.ts";
import { stateGraph, waysFrom } from "./graph.ts";
import { statesSvg } from "./svg.ts";
import { EVENT_WORDS, STATE_WORDS } from "./words.ts";

const STYLE = `:root{color-scheme:light dark;--line:#667;--late:#b45309;--back:#fff;--ink:#111}
@media (prefers-color-scheme:dark){:root{--line:#99a;--late:#f59e0b;--back:#15171c;--ink:#eee}}
body{margin:2rem auto;max-width:124rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;background:var(--back);color:var(--ink)}
.drawing{overflow-x:auto}svg{display:block;width:100%;min-width:1600px;height:auto}code,svg text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
svg text{text-anchor:middle;fill:var(--ink)}.name{font-size:13px;font-weight:600}.event,.stays{font-size:11px}
.way,.late{fill:none;stroke:var(--line);stroke-width:1.2}.late{stroke:var(--late);stroke-dasharray:5 3}.head{fill:var(--line)}.under{fill:var(--back);opacity:.85}
g.waiting rect{fill:#3b82f633;stroke:#3b82f6}g.reserved rect{fill:#f59e0b33;stroke:#f59e0b}g.paid rect{fill:#22c55e33;stroke:#22c55e}g.ended rect{fill:#8883;stroke:#888}
.key span{display:inline-block;margin-right:1.5rem;padding:0 .5rem;border:1px solid;border-radius:4px}
.key .waiting{border-color:#3b82f6;background:#3b82f633}.key .reserved{border-color:#f59e0b;background:#f59e0b33}.key .paid{border-color:#22c55e;background:#22c55e33}.key .ended{border-color:#888;background:#8883}
table{border-collapse:collapse;margin:1rem 0 2rem;max-width:80rem}td:last-child{white-space:nowrap}tr:target{background:#f59e0b33}th,td{text-align:left;vertical-align:top;padding:.35rem .8rem;border-bottom:1px solid #8886}`;

interface Page {
  readonly html: string;
  readonly csp: string;
}

let made: Page | null = null;

/** Made at the first request of an isolate: drawing costs a few milliseconds that no purchase should pay for. */
export function statesPage(): Page {
  made ??= {
    html: html(),
    csp: `default-src 'none'; style-src 'sha256-${base64.encode(sha256(utf8ToBytes(STYLE)))}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  };
  return made;
}

function html(): string {
  const graph = stateGraph();
  const rows = STATES.map((state) => {
    const { is, waitsFor } = STATE_WORDS[state];
    const ways = waysFrom(state).map(({ event, to }) => `<code>${event}</code> → ${to === state ? "stays" : `<code>${to}</code>`}`);
    return `<tr id="${state}"><td><code>${state}</code></td><td>${is}</td><td>${waitsFor ?? "nothing"}</td><td>${ways.join("<br>") || "none"}</td></tr>`;
  });
  const events = EVENTS.map((event) => `<tr><td><code>${event}</code></td><td>${EVENT_WORDS[event]}</td></tr>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>The states of a purchase</title>
<style>${STYLE}</style>
<h1>The states of a purchase</h1>
<p>Drawn from the transition table that the wallet itself moves along: ${STATES.length} states, ${EVENTS.length} events. What is not drawn is refused. A dashed arrow is money that was released and settles after all: it is booked, and the wallet is paused.</p>
<p class="key"><span class="waiting">waits, no money set aside</span><span class="reserved">money set aside or under way</span><span class="paid">money has gone</span><span class="ended">ended without money</span></p>
<div class="drawing">
${statesSvg(graph)}
</div>
<h2>States</h2>
<table>
<tr><th>state</th><th>what it is</th><th>what it waits for</th><th>events</th></tr>
${rows.join("\n")}
</table>
<h2>Events</h2>
<table>
<tr><th>event</th><th>what happened</th></tr>
${events.join("\n")}
</table>
</html>
`;
}
