/**
 * One script or two: the figures of `npm run --silent bench -- --packaging --json`, as they stand in spike/results/packaging.json, and the choice
 * that follows from them. The rule is written here, before the figures: two scripts unless one is no worse for the front door.
 */

export interface PackagingShape {
  /** Times are medians, ms; sizes bytes. */
  readonly scripts: readonly { readonly name: string; readonly rawBytes: number; readonly gzipBytes: number }[];
  readonly healthMs: number;
  readonly firstWalletCallMs: number;
  /** Null where it was not measured. */
  readonly coldPurchaseMs: number | null;
}

export interface Packaging {
  readonly ranAt: string;
  readonly one: PackagingShape;
  readonly two: PackagingShape;
}

/** Room for noise in a time, as a factor. */
const NOISE = 1.1;

/** Two scripts, unless one is as quick to its first answer and as quick to its first purchase. */
export function packagingChoice({ one, two }: Packaging): { readonly choice: "one" | "two"; readonly because: string } {
  const front = (shape: PackagingShape): number => shape.scripts[0]?.gzipBytes ?? 0;
  const frontSlower = one.healthMs > two.healthMs * NOISE;
  const frontHeavier = front(one) > front(two) * NOISE;
  const purchaseSlower = two.coldPurchaseMs !== null && one.coldPurchaseMs !== null && two.coldPurchaseMs > one.coldPurchaseMs * NOISE;
  if (!frontSlower && !frontHeavier) return { choice: "one", because: "one script is no slower and no heavier for the front door" };
  const gain = `with one script the front door answers first after ${Math.round(one.healthMs)} ms instead of ${Math.round(two.healthMs)} ms and weighs ${mb(front(one))} instead of ${mb(front(two))}`;
  return {
    choice: "two",
    because: purchaseSlower
      ? `${gain}; that a first purchase is slower with two is paid once per object, and every request pays for the front door`
      : `${gain}, and a first purchase is no slower with two`,
  };
}

const mb = (bytes: number): string => (bytes < 1_000_000 ? `${(bytes / 1000).toFixed(0)} KB` : `${(bytes / 1_000_000).toFixed(2)} MB`);

export function packagingSection(packaging: Packaging | null): readonly string[] {
  if (packaging === null)
    return [
      "## One script or two",
      "",
      "**Not measured.** `npm run --silent bench -- --packaging --json > spike/results/packaging.json` measures it.",
    ];
  const { choice, because } = packagingChoice(packaging);
  const column = (pick: (shape: PackagingShape) => string): string => `${pick(packaging.one)} | ${pick(packaging.two)}`;
  const ms = (value: number | null): string => (value === null ? "not measured" : `${Math.round(value)} ms`);
  return [
    "## One script or two",
    "",
    `Measured ${packaging.ranAt} in raw workerd on one machine. **${choice === "two" ? "Two scripts" : "One script"}**: ${because}.`,
    "",
    "| | one script | front door and vault |",
    "| --- | --- | --- |",
    `| sizes, raw / gzip | ${column(({ scripts }) => scripts.map(({ name, rawBytes, gzipBytes }) => `${name} ${mb(rawBytes)} / ${mb(gzipBytes)}`).join("; "))} |`,
    `| start to the first answer | ${column(({ healthMs }) => ms(healthMs))} |`,
    `| start to the first answer of a wallet | ${column(({ firstWalletCallMs }) => ms(firstWalletCallMs))} |`,
    `| cold purchase | ${column(({ coldPurchaseMs }) => ms(coldPurchaseMs))} |`,
  ];
}

/** @throws Error with one line when the file is not what the benchmark writes */
export function readPackaging(text: string): Packaging {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !isShape(Reflect.get(value, "one")) || !isShape(Reflect.get(value, "two")))
    throw new Error("packaging.json is not what `npm run bench -- --packaging --json` writes");
  return value as Packaging;
}

function isShape(value: unknown): value is PackagingShape {
  if (typeof value !== "object" || value === null) return false;
  const { scripts, healthMs, firstWalletCallMs, coldPurchaseMs } = value as Partial<PackagingShape>;
  return (
    Array.isArray(scripts) &&
    scripts.every(
      (script: unknown) => typeof script === "object" && script !== null && typeof Reflect.get(script, "gzipBytes") === "number",
    ) &&
    typeof healthMs === "number" &&
    typeof firstWalletCallMs === "number" &&
    (coldPurchaseMs === null || typeof coldPurchaseMs === "number")
  );
}
