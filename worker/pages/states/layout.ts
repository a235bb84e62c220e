/**
 * A layered drawing (Sugiyama, Tagawa and Toda 1981): states in columns so that almost every arrow points right, every arrow's label in
 * a place of its own between two columns, few crossings, nothing on top of anything. Pure; the same graph gives the same picture.
 */
export interface Box {
  readonly id: string;
  readonly width: number;
  readonly height: number;
}

export interface Arrow<L> {
  readonly from: string;
  readonly to: string;
  readonly label: L;
  /** Size of the label, in the drawing's units. */
  readonly width: number;
  readonly height: number;
}

export interface Placed {
  /** Centre. */
  readonly x: number;
  readonly y: number;
}

export interface Route<L> {
  readonly from: string;
  readonly to: string;
  readonly label: L;
  readonly at: Placed;
  /** From the edge of one box to the edge of the other; the line passes through the label's place. */
  readonly points: readonly Placed[];
}

export interface Drawing<L> {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Placed>;
  readonly routes: readonly Route<L>[];
}

interface Slot {
  readonly layer: number;
  readonly width: number;
  readonly height: number;
  readonly before: Slot[];
  readonly after: Slot[];
  y: number;
}

const GAP_X = 16;
const GAP_Y = 12;
const MARGIN = 12;
const SWEEPS = 24;

/** @throws Error for an arrow between boxes that are not there */
export function layered<L>(boxes: readonly Box[], arrows: readonly Arrow<L>[]): Drawing<L> {
  const ranks = rank(boxes, arrows);
  // Boxes stand in even layers, labels in odd ones.
  const slots = new Map(boxes.map((box) => [box.id, slot(2 * (ranks.get(box.id) ?? 0), box.width, box.height)] as const));
  const layers: Slot[][] = [];
  const put = (each: Slot): Slot => {
    (layers[each.layer] ??= []).push(each);
    return each;
  };
  for (const each of slots.values()) put(each);
  const paths = arrows.map((arrow) => {
    const [from, to] = [slots.get(arrow.from), slots.get(arrow.to)];
    if (from === undefined || to === undefined) throw new Error(`no box for ${arrow.from} or ${arrow.to}`);
    const path = chain(from, to, arrow, put);
    for (const [index, each] of path.entries()) {
      const next = path[index + 1];
      if (next === undefined) continue;
      const [left, right] = each.layer < next.layer ? [each, next] : [next, each];
      left.after.push(right);
      right.before.push(left);
    }
    return path;
  });
  const dense = Array.from({ length: layers.length }, (_, layer) => layers[layer] ?? []);
  order(dense);
  settleRows(dense);

  const columns = columnsOf(dense);
  const top = Math.min(...dense.flat().map((each) => each.y - each.height / 2));
  const placed = (each: Slot): Placed => ({ x: columns[each.layer]?.centre ?? 0, y: each.y - top + MARGIN });
  return {
    width: (columns.at(-1)?.end ?? 0) + MARGIN,
    height: Math.max(...dense.flat().map((each) => each.y + each.height / 2)) - top + 2 * MARGIN,
    boxes: new Map([...slots].map(([id, each]) => [id, placed(each)])),
    routes: arrows.map(({ from, to, label }, index) => {
      const path = paths[index] ?? [];
      const rightward = (path[0]?.layer ?? 0) < (path.at(-1)?.layer ?? 0);
      const points = path.map((each, at) => {
        const { x, y } = placed(each);
        const side = at === 0 ? 1 : at === path.length - 1 ? -1 : 0;
        return { x: x + side * (rightward ? 1 : -1) * (each.width / 2), y };
      });
      const labelled = path.findIndex((each) => each.layer % 2 === 1 && each.width > 0);
      return { from, to, label, at: points[labelled] ?? { x: 0, y: 0 }, points };
    }),
  };
}

const slot = (layer: number, width: number, height: number): Slot => ({ layer, width, height, before: [], after: [], y: 0 });

/** The longest way from a beginning. An arrow that closes a circle, found depth first in the order given, is left out of account: it will point left. */
function rank(boxes: readonly Box[], arrows: readonly { readonly from: string; readonly to: string }[]): ReadonlyMap<string, number> {
  const state = new Map<string, "on the way" | "done">();
  const back = new Set<object>();
  const forward: string[] = [];
  const visit = (id: string): void => {
    state.set(id, "on the way");
    for (const arrow of arrows) {
      if (arrow.from !== id) continue;
      if (state.get(arrow.to) === "on the way") back.add(arrow);
      else if (!state.has(arrow.to)) visit(arrow.to);
    }
    state.set(id, "done");
    forward.unshift(id);
  };
  for (const { id } of boxes) if (!state.has(id)) visit(id);
  const ranks = new Map<string, number>(forward.map((id) => [id, 0]));
  for (const id of forward) {
    for (const arrow of arrows) {
      if (arrow.from === id && !back.has(arrow)) ranks.set(arrow.to, Math.max(ranks.get(arrow.to) ?? 0, (ranks.get(id) ?? 0) + 1));
    }
  }
  return ranks;
}

/** The places an arrow passes: one in every layer between its ends, the label in the one beside its beginning. */
function chain(
  from: Slot,
  to: Slot,
  { width, height }: Pick<Arrow<unknown>, "width" | "height">,
  put: (each: Slot) => Slot,
): readonly Slot[] {
  const step = from.layer < to.layer ? 1 : -1;
  const path = [from];
  for (let layer = from.layer + step; layer !== to.layer; layer += step) {
    path.push(put(path.length === 1 ? slot(layer, width, height) : slot(layer, 0, 4)));
  }
  return [...path, to];
}

/** Fewer crossings: each layer is sorted by the mean place of its neighbours, right and left in turn; the best of all sweeps is kept. */
function order(layers: Slot[][]): void {
  const places = new Map<Slot, number>();
  const number = (): void => layers.forEach((layer) => layer.forEach((each, place) => places.set(each, place)));
  const place = (each: Slot): number => places.get(each) ?? 0;
  number();
  let best = layers.map((layer) => [...layer]);
  let least = crossings(layers, place);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const rightward = sweep % 2 === 0;
    for (const layer of rightward ? layers : layers.toReversed()) {
      const mean = new Map(
        layer.map((each) => {
          const neighbours = rightward ? each.before : each.after;
          return [
            each,
            neighbours.length === 0 ? place(each) : neighbours.reduce((sum, other) => sum + place(other), 0) / neighbours.length,
          ] as const;
        }),
      );
      layer.sort((a, b) => (mean.get(a) ?? 0) - (mean.get(b) ?? 0));
      layer.forEach((each, at) => places.set(each, at));
    }
    const found = crossings(layers, place);
    if (found < least) {
      least = found;
      best = layers.map((layer) => [...layer]);
    }
  }
  best.forEach((layer, index) => (layers[index] = layer));
}

function crossings(layers: readonly (readonly Slot[])[], place: (each: Slot) => number): number {
  let count = 0;
  for (const layer of layers) {
    const lines = layer.flatMap((each) => each.after.map((other) => [place(each), place(other)] as const));
    for (const [index, [a, b]] of lines.entries()) for (const [c, d] of lines.slice(index + 1)) if ((a - c) * (b - d) < 0) count++;
  }
  return count;
}

/** Rows: each place is drawn to the mean height of its neighbours, and pushed apart from those above and below. */
function settleRows(layers: readonly (readonly Slot[])[]): void {
  for (const layer of layers) stack(layer, () => 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const layer of sweep % 2 === 0 ? layers : layers.toReversed()) {
      stack(layer, (each) => {
        const neighbours = [...each.before, ...each.after];
        return neighbours.length === 0 ? each.y : neighbours.reduce((sum, other) => sum + other.y, 0) / neighbours.length;
      });
    }
  }
}

/** Least squares under "in this order, this far apart": neighbours that would overlap become one group around its mean. */
function stack(layer: readonly Slot[], wanted: (each: Slot) => number): void {
  interface Group {
    readonly slots: Slot[];
    /** Of each slot, from the group's own zero. */
    readonly offsets: number[];
    sum: number;
  }
  const at = (group: Group): number => group.sum / group.slots.length;
  const groups: Group[] = [];
  for (const each of layer) {
    let last: Group = { slots: [each], offsets: [0], sum: wanted(each) };
    for (let above = groups.at(-1); above !== undefined; above = groups.at(-1)) {
      const [upper, lower] = [above.slots.at(-1), last.slots[0]];
      if (upper === undefined || lower === undefined) break;
      const distance = (above.offsets.at(-1) ?? 0) + upper.height / 2 + GAP_Y + lower.height / 2;
      if (at(above) + distance <= at(last)) break;
      groups.pop();
      last = {
        slots: [...above.slots, ...last.slots],
        offsets: [...above.offsets, ...last.offsets.map((offset) => offset + distance)],
        sum: above.sum + last.sum - distance * last.slots.length,
      };
    }
    groups.push(last);
  }
  for (const group of groups) group.slots.forEach((each, index) => (each.y = at(group) + (group.offsets[index] ?? 0)));
}

function columnsOf(layers: readonly (readonly Slot[])[]): readonly { readonly centre: number; readonly end: number }[] {
  let end = MARGIN - GAP_X;
  return layers.map((layer) => {
    const width = Math.max(0, ...layer.map((each) => each.width));
    const start = end + GAP_X;
    end = start + width;
    return { centre: start + width / 2, end };
  });
}
