/** The drawing as SVG, without script and without a font to load: text is sized by a width that every monospaced face has. */
import { stateGraph, type Graph, type GraphEdge } from "./graph.ts";
import { layered, type Drawing, type Placed } from "./layout.ts";

/** A monospaced glyph is 0.6 em wide in the faces that browsers have. */
const GLYPH = 0.6;
const NODE_FONT = 13;
const LABEL_FONT = 11;
const LINE = 14;
const PADDING = 10;

export function statesSvg(graph: Graph = stateGraph()): string {
  const boxes = graph.nodes.map(({ id, stays }) => ({
    id,
    width: Math.max(id.length * NODE_FONT, staysText(stays).length * LABEL_FONT) * GLYPH + 2 * PADDING,
    height: stays.length === 0 ? 30 : 44,
  }));
  const drawing = layered(
    boxes,
    graph.edges.map((edge) => ({
      from: edge.from,
      to: edge.to,
      label: edge,
      width: Math.max(...edge.events.map((event) => event.length)) * LABEL_FONT * GLYPH + 6,
      height: edge.events.length * LINE,
    })),
  );
  const nodes = graph.nodes.map(({ id, tone, stays }, index) => {
    const { x, y } = drawing.boxes.get(id) ?? { x: 0, y: 0 };
    const { width = 0, height = 0 } = boxes[index] ?? {};
    const second = stays.length === 0 ? "" : text(x, y + 13, "stays", staysText(stays));
    return `<g class="${tone}"><rect x="${n(x - width / 2)}" y="${n(y - height / 2)}" width="${n(width)}" height="${n(height)}" rx="6"/>${text(x, stays.length === 0 ? y + 4.5 : y - 3, "name", id)}${second}</g>`;
  });
  const lines = drawing.routes.map(
    ({ label, points }) => `<path class="${label.late ? "late" : "way"}" d="${curve(points)}" marker-end="url(#head)"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(drawing.width)} ${n(drawing.height)}" width="${n(drawing.width)}" height="${n(drawing.height)}" role="img" aria-label="The states of a purchase and the events between them; the table below says the same.">
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>
${lines.join("\n")}
${labels(drawing).join("\n")}
${nodes.join("\n")}
</svg>`;
}

const staysText = (stays: readonly string[]): string => (stays.length === 0 ? "" : `stays: ${stays.join(", ")}`);

function labels({ routes }: Drawing<GraphEdge>): readonly string[] {
  return routes.map(({ label: { events }, at }) => {
    const top = at.y - (events.length * LINE) / 2;
    const width = Math.max(...events.map((event) => event.length)) * LABEL_FONT * GLYPH + 6;
    const lines = events.map((event, index) => text(at.x, top + (index + 1) * LINE - 3.5, "event", event)).join("");
    return `<g><rect class="under" x="${n(at.x - width / 2)}" y="${n(top)}" width="${n(width)}" height="${n(events.length * LINE)}"/>${lines}</g>`;
  });
}

/** Names are ours, lower case letters and underscores: nothing here needs escaping, and a test holds them to it. */
const text = (x: number, y: number, kind: string, content: string): string =>
  `<text class="${kind}" x="${n(x)}" y="${n(y)}">${content}</text>`;

/** A smooth line whose every piece begins and ends level. */
function curve(points: readonly Placed[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let from = first;
  let path = `M${n(first.x)} ${n(first.y)}`;
  for (const to of rest) {
    const middle = (from.x + to.x) / 2;
    path += `C${n(middle)} ${n(from.y)} ${n(middle)} ${n(to.y)} ${n(to.x)} ${n(to.y)}`;
    from = to;
  }
  return path;
}

/** One decimal is a tenth of a pixel. */
const n = (value: number): string => String(Math.round(value * 10) / 10);
