/** The Wallet's class by name only: nobody calls it. */
import { DurableObject } from "cloudflare:workers";

export class Wallet extends DurableObject {}

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler;
