import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { base64 } from "@scure/base";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EVENTS, STATES, TRANSITIONS, isTerminal, next } from "../../../lightning/purchase.ts";
import { stateGraph } from "./graph.ts";
import { layered, type Arrow, type Box } from "./layout.ts";
import { statesMarkdown } from "./markdown.ts";
import { statesPage } from "./page.ts";
import { EVENT_WORDS, STATE_WORDS } from "./words.ts";

const graph = stateGraph();
const { html, csp } = statesPage();

describe("the drawing of the state machine", () => {
  it("has every transition of the table once, and none besides", () => {
    const drawn = [
      ...graph.edges.flatMap(({ from, to, events }) => events.map((event) => `${from} ${event} ${to}`)),
      ...graph.nodes.flatMap(({ id, stays }) => stays.map((event) => `${id} ${event} ${id}`)),
    ];
    const table = STATES.flatMap((from) =>
      EVENTS.flatMap((event) => (next(from, event) === null ? [] : [`${from} ${event} ${next(from, event)}`])),
    );
    expect(drawn.toSorted()).toEqual(table.toSorted());
  });

  it("marks money that was released and settles after all", () => {
    expect(graph.edges.filter(({ late }) => late).map(({ from, to }) => `${from} ${to}`)).toEqual([
      "expired paid",
      "cancelled paid",
      "failed paid",
    ]);
  });

  it("draws a box for each state and an arrow for each pair", () => {
    expect(html.match(/<path class="(?:way|late)"/gu)).toHaveLength(graph.edges.length);
    for (const state of STATES) expect(html).toContain(`>${state}</text>`);
    expect(html).not.toMatch(/NaN|Infinity|undefined/u);
  });
});

describe("the page", () => {
  it("allows its one style by its hash, and nothing else: no script, no image, no frame, no other address", () => {
    const style = /<style>([^<]*)<\/style>/u.exec(html)?.[1] ?? "";
    expect(csp).toContain(`style-src 'sha256-${base64.encode(sha256(utf8ToBytes(style)))}'`);
    expect(csp).toMatch(/^default-src 'none';/u);
    expect(html).not.toMatch(/<script|\son\w+=|\sstyle=|<img|<iframe|<link|javascript:/iu);
    expect(html.match(/https?:\/\/[^"]+/gu)).toEqual(["http://www.w3.org/2000/svg"]);
  });

  it("has a row for each state with what it waits for, and one for each event", () => {
    for (const state of STATES) expect(html).toContain(`<tr id="${state}">`);
    for (const event of EVENTS) expect(html).toContain(`<td>${EVENT_WORDS[event]}</td>`);
  });

  it("holds names and words that need no escaping", () => {
    for (const name of [...STATES, ...EVENTS]) expect(name).toMatch(/^[a-z_]+$/u);
    for (const words of [...Object.values(STATE_WORDS).flatMap(({ is, waitsFor }) => [is, waitsFor ?? ""]), ...Object.values(EVENT_WORDS)])
      expect(words).not.toMatch(/[<>&"|]/u);
  });

  it("says of a state that it waits exactly where the table says so", () => {
    expect(STATES.filter((state) => STATE_WORDS[state].waitsFor === null)).toEqual(STATES.filter(isTerminal));
  });
});

it("docs/states.md is current: else run `npm run generate`", () => {
  expect(readFileSync(join(import.meta.dirname, "../../../docs/states.md"), "utf8")).toBe(statesMarkdown());
  expect(Object.keys(TRANSITIONS)).toHaveLength(STATES.length);
});

describe("the layout", () => {
  interface Rect {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly height: number;
  }
  const overlap = (a: Rect, b: Rect): boolean =>
    Math.abs(a.x - b.x) < (a.width + b.width) / 2 - 1e-6 && Math.abs(a.y - b.y) < (a.height + b.height) / 2 - 1e-6;

  function check(boxes: readonly Box[], arrows: readonly Arrow<string>[]): void {
    const drawing = layered(boxes, arrows);
    const rects: Rect[] = boxes.map(({ id, width, height }) => ({ ...(drawing.boxes.get(id) ?? { x: NaN, y: NaN }), width, height }));
    rects.push(...drawing.routes.map(({ at }, index) => ({ ...at, width: arrows[index]?.width ?? 0, height: arrows[index]?.height ?? 0 })));
    for (const [index, rect] of rects.entries()) {
      expect(rect.x - rect.width / 2).toBeGreaterThanOrEqual(0);
      expect(rect.y - rect.height / 2).toBeGreaterThanOrEqual(0);
      expect(rect.x + rect.width / 2).toBeLessThanOrEqual(drawing.width);
      expect(rect.y + rect.height / 2).toBeLessThanOrEqual(drawing.height);
      for (const other of rects.slice(index + 1))
        expect(overlap(rect, other), `${JSON.stringify(rect)} on ${JSON.stringify(other)}`).toBe(false);
    }
    for (const [index, { points, from, to }] of drawing.routes.entries()) {
      const [start, end] = [drawing.boxes.get(from), drawing.boxes.get(to)];
      expect([points[0]?.y, points.at(-1)?.y]).toEqual([start?.y, end?.y]);
      expect(points).toContainEqual(drawing.routes[index]?.at);
    }
    expect(layered(boxes, arrows)).toEqual(drawing);
  }

  it("puts nothing on top of anything, inside the picture, whatever the graph, circles too", () => {
    const graphs = fc.integer({ min: 2, max: 9 }).chain((count) =>
      fc.record({
        boxes: fc.tuple(
          ...Array.from({ length: count }, (_, index) =>
            fc.record({ id: fc.constant(`n${index}`), width: fc.integer({ min: 10, max: 120 }), height: fc.integer({ min: 10, max: 40 }) }),
          ),
        ),
        arrows: fc
          .uniqueArray(
            fc.tuple(fc.nat(count - 1), fc.nat(count - 1)).filter(([a, b]) => a !== b),
            { maxLength: 16, selector: ([a, b]) => `${a} ${b}` },
          )
          .map((pairs) =>
            pairs.map(([a, b], index) => ({ from: `n${a}`, to: `n${b}`, label: String(index), width: 30 + index, height: 14 })),
          ),
      }),
    );
    fc.assert(fc.property(graphs, ({ boxes, arrows }) => check(boxes, arrows)));
  });

  it("points right wherever there is no circle: the table has none", () => {
    const boxes = graph.nodes.map(({ id }) => ({ id, width: 100, height: 30 }));
    const arrows = graph.edges.map(({ from, to }) => ({ from, to, label: "", width: 40, height: 14 }));
    check(boxes, arrows);
    const { boxes: placed } = layered(boxes, arrows);
    for (const { from, to } of arrows) expect(placed.get(from)?.x ?? 0).toBeLessThan(placed.get(to)?.x ?? 0);
  });

  it("refuses an arrow to nowhere", () => {
    expect(() => layered([{ id: "a", width: 1, height: 1 }], [{ from: "a", to: "b", label: "", width: 1, height: 1 }])).toThrow("no box");
  });
});
