/** docs/states.md: the same as the page, for those who read the repository. Its drawing is left to whoever renders Mermaid. */
import { EVENTS, STATES } from "../../../lightning/purchase.ts";
import { stateGraph, waysFrom } from "./graph.ts";
import { EVENT_WORDS, STATE_WORDS } from "./words.ts";

export function statesMarkdown(): string {
  const { nodes, edges } = stateGraph();
  const arrows = edges.map(({ from, to, events }) => `  ${from} --> ${to}: ${events.join(", ")}`);
  const loops = nodes.filter(({ stays }) => stays.length > 0).map(({ id, stays }) => `  ${id} --> ${id}: ${stays.join(", ")}`);
  const rows = STATES.map((state) => {
    const { is, waitsFor } = STATE_WORDS[state];
    const ways = waysFrom(state).map(({ event, to }) => `\`${event}\` → ${to === state ? "stays" : `\`${to}\``}`);
    return `| \`${state}\` | ${is} | ${waitsFor ?? "nothing"} | ${ways.join("; ") || "none"} |`;
  });
  return `# The states of a purchase

Generated from \`lightning/purchase.ts\` by \`npm run generate\`; a test says when it is out of date. A running Worker draws it at \`/states\`. What to do about the odd ones: [runbook.md](runbook.md).

\`\`\`mermaid
stateDiagram-v2
  direction LR
  [*] --> opened
${[...arrows, ...loops].join("\n")}
\`\`\`

| state | what it is | what it waits for | events |
| --- | --- | --- | --- |
${rows.join("\n")}

| event | what happened |
| --- | --- |
${EVENTS.map((event) => `| \`${event}\` | ${EVENT_WORDS[event]} |`).join("\n")}
`;
}
