/**
 * A model that needs no network: it calls the tool its user names and reads out what came back. `buy URL`, `price URL`, `balance`, and, being
 * only a model, `approve ID` when somebody talks it into that; anything after the URL is passed on as arguments it makes up, as models do.
 */
export type Said =
  | { readonly kind: "tool_call"; readonly role: "assistant"; readonly tool: string; readonly arguments: unknown }
  | { readonly kind: "reply"; readonly role: "assistant"; readonly content: string };

export function fakeModel(transcript: readonly unknown[]): Said {
  const last = transcript.at(-1);
  const { role, content } = (typeof last === "object" && last !== null ? last : {}) as { role?: string; content?: unknown };
  if (role === "tool") return { kind: "reply", role: "assistant", content: tell(content) };
  const [verb = "", url = "", extra = "{}"] = String(content).split(" ");
  const asked = { url, ...(JSON.parse(extra) as Record<string, unknown>) };
  switch (verb) {
    case "buy":
      return { kind: "tool_call", role: "assistant", tool: "lightning_l402_fetch", arguments: asked };
    case "price":
      return { kind: "tool_call", role: "assistant", tool: "lightning_l402_quote", arguments: asked };
    case "balance":
      return { kind: "tool_call", role: "assistant", tool: "lightning_wallet_status", arguments: {} };
    case "approve":
      return { kind: "tool_call", role: "assistant", tool: "lightning_l402_approve", arguments: { approvalId: url } };
    default:
      return { kind: "reply", role: "assistant", content: "I can buy, price and balance." };
  }
}

function tell(result: unknown): string {
  const { ok, status, text, problem, code } = result as {
    ok?: boolean;
    status?: string;
    text?: string;
    code?: string;
    problem?: { code?: string; fix?: string; approvalId?: string };
  };
  if (ok === true) return status === undefined ? "Done." : `${status}: ${text ?? ""}`;
  const asked = problem?.approvalId === undefined ? "" : ` (${problem.approvalId})`;
  return `${status ?? "failed"}: ${problem?.code ?? code ?? ""}${asked}. ${problem?.fix ?? ""}`;
}
