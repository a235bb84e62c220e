/**
 * What a model gets to see of an answer: a bounded piece of text. It reads no more than that takes and then lets the seller
 * go, so a preview of a long stream is cheap, and its delivery record says that it was cut.
 */
import type { SellerResponse } from "./flow-types.ts";

export interface Preview {
  /** As the seller wrote it, or null. */
  readonly contentType: string | null;
  /** Null when the content is not text. */
  readonly text: string | null;
  /** There was more than `text` shows: over `maxChars`, cut on the way, or not text at all. */
  readonly truncated: boolean;
}

const TEXTUAL =
  /^(?:text\/[^;]+|application\/(?:json|jsonl|x-ndjson|xml|javascript|yaml|x-yaml|x-www-form-urlencoded|problem\+json|[^;]+\+(?:json|xml|yaml)))[ \t]*(?:;|$)/iu;

/** @param maxChars in UTF-16 units; a pair of surrogates is never halved */
export async function preview({ headers, body }: Pick<SellerResponse, "headers" | "body">, maxChars = 4000): Promise<Preview> {
  const contentType = headers.get("content-type");
  if (body === null) return { contentType, text: "", truncated: false };
  if (contentType === null || !TEXTUAL.test(contentType)) {
    await body.cancel().catch(() => undefined);
    return { contentType, text: null, truncated: true };
  }
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (text.length <= maxChars) {
      const { done, value } = await reader.read();
      if (done) {
        text += decoder.decode();
        break;
      }
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // Cut by a cap, a deadline or the network: what came is still worth showing.
    return { contentType, text: clip(text, maxChars), truncated: true };
  }
  if (text.length <= maxChars) return { contentType, text, truncated: false };
  await reader.cancel().catch(() => undefined);
  return { contentType, text: clip(text, maxChars), truncated: true };
}

function clip(text: string, maxChars: number): string {
  const last = text.charCodeAt(maxChars - 1);
  return text.slice(0, text.length > maxChars && last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars);
}
