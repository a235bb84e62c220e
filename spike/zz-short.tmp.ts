import { openStage } from "./rig/open-stage.ts";
import { runGates } from "./run.ts";
import { judgeRun } from "./decide.ts";
const options = { environment: "sandbox", deployed: null, sellerTemplate: null, breezApiKey: null, backupRecipient: null, say: (l: string) => console.error(l) } as const;
const open = await openStage(options);
Object.assign(open.stage.parts, { amounts: { ...open.stage.parts.amounts, warmSends: 30, coldSends: 5, memoryWallets: 10, flowRuns: 3, faultySends: 9 } });
try { const r = await runGates(open, options, null);
for (const c of r.checks) console.log(c.id,c.verdict,c.said.slice(0,160),JSON.stringify(c.thresholds.map(t=>[t.name,t.measured,t.value])),JSON.stringify(c.facts.map(f=>[f.name,f.value]))); console.log(r.machine, r.durationMs);
} finally { await open.close(); }
