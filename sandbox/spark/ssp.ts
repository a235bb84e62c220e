/**
 * The service provider: the party that swaps leaves and stands between Spark and Lightning. Closed software in the real network, so everything
 * here beside the shape of its messages is an assumption, chosen to be safe for both sides. Each operation answers with GraphQL `data`.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { GraphqlError, input, iso, list, receiveMessage, sats, swapMessage, text, transferMessage, type Fields } from "./graphql.ts";
import { fromBase64url, type Sessions } from "./sessions.ts";
import type { SspContext } from "./ssp-context.ts";
import { SspReceive } from "./ssp-receive.ts";
import type { RequestRow } from "./ssp-requests.ts";
import { SspSend } from "./ssp-send.ts";
import { SspSwap } from "./ssp-swap.ts";

export class Ssp {
  readonly #context: SspContext;
  readonly #sessions: Sessions;
  readonly #send: SspSend;
  readonly #receive: SspReceive;
  readonly #swap: SspSwap;

  constructor(context: SspContext, sessions: Sessions) {
    this.#context = context;
    this.#sessions = sessions;
    this.#send = new SspSend(context);
    this.#receive = new SspReceive(context);
    this.#swap = new SspSwap(context);
  }

  close(): void {
    this.#receive.close();
  }

  /** @returns `data`, or null where a session is needed and there is none (HTTP 401) @throws GraphqlError */
  async handle(operation: string, variables: Fields, token: string | null): Promise<Fields | null> {
    if (operation === "GetChallenge")
      return { get_challenge: { protected_challenge: this.#sessions.challenge(this.#context.ports.random(32)) } };
    if (operation === "VerifyChallenge") return this.#verify(variables);
    const identity = this.#sessions.identity("ssp", token);
    if (identity === null) return null;
    switch (operation) {
      case "LightningSendFeeEstimate":
        return this.#send.estimate(variables);
      case "RequestLightningSend":
        return this.#send.order(variables, identity);
      case "RequestLightningReceive":
        return this.#receive.order(variables, identity);
      case "RequestSwap":
        return this.#swap.order(variables, identity);
      case "LeavesSwapFeeEstimate":
        return { leaves_swap_fee_estimate: { fee_estimate: sats(0) } };
      case "UserRequest": {
        const row = this.#context.requests.byId(text(variables, "request_id"));
        return { user_request: row === null || row.owner !== identity ? null : this.#message(row) };
      }
      case "Transfers":
        return { transfers: list(variables, "transfer_spark_ids").flatMap((id) => this.#transfer(id, identity)) };
      case "RegisterWalletWebhook":
        return this.#context.webhooks.register(variables, identity);
      case "DeleteWalletWebhook":
        return this.#context.webhooks.remove(variables, identity);
      case "WalletWebhooks":
        return this.#context.webhooks.list(identity);
      default:
        throw new GraphqlError(`the sandbox has no operation ${/^[A-Za-z]{1,40}$/u.test(operation) ? operation : "of that name"}`);
    }
  }

  /** Like the operators' own: DER ECDSA over the SHA-256 of the challenge, by the identity key; each challenge once. */
  #verify(variables: Fields): Fields {
    const fields = input(variables);
    const challenge = text(fields, "protected_challenge");
    const signature = fromBase64url(text(fields, "signature"));
    const bytes = fromBase64url(challenge);
    const identity = text(fields, "identity_public_key").toLowerCase();
    if (!this.#sessions.takeChallenge(challenge) || bytes === null || signature === null || !signed(signature, bytes, identity))
      throw new GraphqlError("the challenge is not answered");
    const { token, expiresAt } = this.#sessions.open("ssp", identity);
    return { verify_challenge: { session_token: token, valid_until: iso(expiresAt) } };
  }

  #transfer(id: unknown, identity: string): readonly Fields[] {
    const { operators, requests } = this.#context;
    const transfer = typeof id === "string" ? operators.transfer(id) : null;
    if (transfer === null) return [];
    const parties = [transfer.sender, transfer.receiver];
    // A transfer between two wallets is none of the SSP's business.
    if (!parties.includes(identity) || !parties.includes(operators.ssp.identityPublicKey)) return [];
    const row = requests.byTransfer(transfer.id);
    return [transferMessage(transfer, row === null || row.kind === "swap" ? null : this.#message(row))];
  }

  #message(row: RequestRow): Fields {
    switch (row.kind) {
      case "send":
        return this.#send.message(row);
      case "receive":
        return receiveMessage(row);
      case "swap":
        return swapMessage(row);
    }
  }
}

function signed(signature: Uint8Array, message: Uint8Array, identity: string): boolean {
  if (!/^0[23][0-9a-f]{64}$/u.test(identity)) return false;
  try {
    return secp256k1.verify(signature, message, hexToBytes(identity), { format: "der", lowS: false });
  } catch {
    return false;
  }
}
