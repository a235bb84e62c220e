/** The transition table as a graph to draw: one edge between two states, with all events that take it. */
import { STATES, TRANSITIONS, isOpenPayment, isPaid, isTerminal, type Event, type State } from "../../../lightning/purchase.ts";

/** What a state means for money: the colours of the drawing. */
export type Tone = "waiting" | "reserved" | "paid" | "ended";

export interface GraphNode {
  readonly id: State;
  readonly tone: Tone;
  /** Events that the state takes and does not move by. */
  readonly stays: readonly Event[];
}

export interface GraphEdge {
  readonly from: State;
  readonly to: State;
  readonly events: readonly Event[];
  /** Money that was released and settles after all. */
  readonly late: boolean;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export function stateGraph(): Graph {
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];
  for (const from of STATES) {
    const ways = waysFrom(from);
    nodes.push({ id: from, tone: toneOf(from), stays: ways.filter(({ to }) => to === from).map(({ event }) => event) });
    for (const to of new Set(ways.map((way) => way.to))) {
      if (to === from) continue;
      const events = ways.filter((way) => way.to === to).map(({ event }) => event);
      edges.push({ from, to, events, late: isPaid(to) && !isPaid(from) && !isOpenPayment(from) });
    }
  }
  return { nodes, edges };
}

export function waysFrom(from: State): readonly { readonly event: Event; readonly to: State }[] {
  return (Object.entries(TRANSITIONS[from]) as [Event, State][]).map(([event, to]) => ({ event, to }));
}

function toneOf(state: State): Tone {
  if (isOpenPayment(state)) return "reserved";
  if (isPaid(state)) return "paid";
  return isTerminal(state) ? "ended" : "waiting";
}
