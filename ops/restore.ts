/**
 * `npm run restore -- --url URL --identity FILE --epoch N < backup.age`: gives a wallet whose deployment is lost to another one
 * (docs/custody.md). The operator's key comes from the environment, because a command line is everybody's to read.
 * Exit code: 0 restored, 1 refused, 2 usage or unreadable input.
 */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { parsePolicy } from "../lightning/policy-check.ts";
import { Api } from "./api.ts";
import { readFlags } from "./arguments.ts";
import { oneLine, output } from "./output.ts";
import { openBackup, restoreWallet, type RestoreOptions } from "./restore-backup.ts";

const KINDS = {
  json: "boolean",
  url: "string",
  identity: "string",
  epoch: "string",
  policy: "string",
  label: "string",
  recipient: "string",
} as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, KINDS);
  if (!parsed.ok) return usage(parsed.line);
  const { json, url, identity, epoch, policy, label, recipient } = parsed.flags;
  const key = process.env["LIGHTNING_OPERATOR_KEY"];
  if (url === null || !URL.canParse(url)) return usage("--url is the address of the deployment that takes the wallet over.");
  if (key === undefined || key === "") return usage("Set LIGHTNING_OPERATOR_KEY to an operator's key of that deployment.");
  if (epoch === null || !/^[1-9]\d{0,5}$/u.test(epoch) || Number(epoch) < 2)
    return usage("--epoch is one more than the highest epoch of the lost deployment (docs/custody.md): 2 after a first deployment.");
  let given: { readonly identity: string | null; readonly policy: string | null };
  try {
    given = {
      identity: identity === null ? null : readFileSync(identity, "utf8"),
      policy: policy === null ? null : readFileSync(policy, "utf8"),
    };
  } catch (cause) {
    return usage(oneLine(cause));
  }
  const rule = given.policy === null ? null : parsePolicy(given.policy);
  if (rule !== null && !rule.ok) return usage(`${policy ?? ""}: ${rule.detail}`);
  const backup = await openBackup(await text(process.stdin), given.identity);
  if (!backup.ok) return usage(`The backup cannot be used: ${backup.detail}.`);
  const options: RestoreOptions = {
    epoch: Number(epoch),
    ...(rule === null ? {} : { policy: rule.policy }),
    ...(label === null ? {} : { label }),
    ...(recipient === null ? {} : { backupRecipient: recipient }),
  };
  const out = output(json);
  try {
    const restored = await restoreWallet(new Api(url), key, backup, options);
    out.document({ ok: true, ...restored });
    out.line("restored", `${restored.walletId} at ${url}, epoch ${restored.epoch}`);
    out.line("next", "budgets and keys; then fence the old deployment, if it still answers");
    if (restored.backup !== null && !json) process.stdout.write(restored.backup);
    return 0;
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    return 1;
  }
}

function usage(line: string): number {
  console.error(line);
  return 2;
}
