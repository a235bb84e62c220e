/**
 * The page behind an approval link: the quote in words and two buttons, rendered here, readable without a script. Everything from outside
 * (a seller's words on the invoice, names, paths) goes through Hono's `html`, which escapes it; the policy below forbids whatever an
 * escape could miss: no script, no image, no frame, no form to another site, no referrer that would carry the link away.
 */
import { html } from "hono/html";
import { base64 } from "@scure/base";
import type { ApprovalView } from "../../lightning/approval.ts";
import { formatSats } from "../../lightning/msat.ts";
import type { RandomBytes } from "../keys.ts";

type Markup = ReturnType<typeof html>;

const STYLE = `
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 3rem auto; padding: 0 1rem; color: #1c1917; background: #fff; }
h1 { font-size: 1.4rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1rem; } dt { color: #57534e; } dd { margin: 0; overflow-wrap: anywhere; }
form { display: inline-block; margin: 1rem 1rem 0 0; } button { font: inherit; padding: .6rem 1.4rem; border-radius: .4rem; border: 1px solid #57534e; background: #fff; cursor: pointer; }
button.yes { background: #166534; border-color: #166534; color: #fff; }`;

/** @param body one of this file's markups */
export async function page(random: RandomBytes, status: number, title: string, body: Markup): Promise<Response> {
  const nonce = base64.encode(random(16));
  const text = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${title}</title>
        <style nonce="${nonce}">
          ${STYLE}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        ${body}
      </body>
    </html> `;
  return new Response(String(text), {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy": `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
      // The link is in the address: it must not travel on in a Referer, nor stay in a page that another opened.
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    },
  });
}

/**
 * A question still open.
 * @param action where the buttons post to: the page's own address, by its last segment alone, for a proxy may serve us under a path (LIGHTNING_PUBLIC_URL)
 */
export function question(view: ApprovalView, action: string): Markup {
  const why =
    view.because === "host"
      ? "This host is not on the list of allowed hosts."
      : "The price is at or above the limit for payments without a person's word.";
  return html`<p>An agent wants to buy this, and asks for a person's word. ${why}</p>
    ${facts(view)}
    <p>If you approve, the agent has to send the same request again. It may then pay up to ${formatSats(view.maxMsat)}, once.</p>
    <form method="post" action="${action}">
      <input type="hidden" name="decision" value="approve" /><button class="yes" type="submit">Approve</button>
    </form>
    <form method="post" action="${action}">
      <input type="hidden" name="decision" value="reject" /><button type="submit">Reject</button>
    </form>`;
}

/** What has become of it; there is nothing left to press. */
export function outcome(view: ApprovalView): Markup {
  return html`<p>${said(view)}</p>
    ${facts(view)}`;
}

export const titleOf = ({ state }: ApprovalView): string => TITLES[state];

const TITLES: Readonly<Record<ApprovalView["state"], string>> = {
  pending: "Approve this payment?",
  granted: "Approved",
  rejected: "Rejected",
  used: "Approved and paid",
  expired: "Expired",
};

function said({ state, expiresAt }: ApprovalView): string {
  switch (state) {
    case "granted":
      return `This payment has been approved. The agent may send its request again until ${when(expiresAt)}. This link has done its work.`;
    case "rejected":
      return "This payment has been rejected. Nothing was paid. This link has done its work.";
    case "used":
      return "This payment was approved, and the approval has been used.";
    case "expired":
    case "pending":
      return "Nobody decided in time, or the approval was not used in time. Nothing was paid for it; the agent may ask again.";
  }
}

function facts(view: ApprovalView): Markup {
  return html`<dl>
    <dt>Request</dt>
    <dd>${view.method} ${view.origin}${view.path}</dd>
    <dt>Price</dt>
    <dd>${formatSats(view.amountMsat)}, at most ${formatSats(view.maxMsat)} with the network's fee</dd>
    <dt>Budget</dt>
    <dd>${view.budget}${view.subject === null ? "" : `, for ${view.subject}`}</dd>
    ${
      view.description === null
        ? ""
        : html`<dt>The seller says</dt>
            <dd>“${view.description}”</dd>`
    }
    <dt>Asked</dt>
    <dd>${when(view.askedAt)}</dd>
    <dt>Open until</dt>
    <dd>${when(view.expiresAt)}</dd>
  </dl>`;
}

/** Where an agent's `approvalUrl` leads: how people decide. It is the same for everybody and knows nothing. */
export const explanation = (): Markup =>
  html`<p>An agent met a price that its policy lets only a person approve. The agent cannot approve it, and this page cannot either.</p>
    <p>To decide, open the approval link that its operator or approver sent you, or use an approver's key:</p>
    <pre>
GET  /v1/wallets/&lt;wallet&gt;/approvals?state=pending
POST /v1/wallets/&lt;wallet&gt;/approvals/&lt;approval&gt;/approve
POST /v1/wallets/&lt;wallet&gt;/approvals/&lt;approval&gt;/reject
POST /v1/wallets/&lt;wallet&gt;/approvals/&lt;approval&gt;/link</pre>
    <p>After a yes the agent sends the same request again.</p>`;

export const sentence = (text: string): Markup => html`<p>${text}</p>`;

/** `2026-11-22 06:00 UTC` */
const when = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
