/**
 * One wallet, its platform, the Worker's flow, sellers, a payer's node, the control plane and the people around them, in one process
 * and one thread, all driven by one seed. The cores are the product's own: this only stands around them and chooses what goes wrong.
 */
import { WalletCore } from "../../durable-objects/wallet/core.ts";
import { TIMING } from "../../durable-objects/wallet/ports.ts";
import { checkAtEnd } from "./at-end.ts";
import { Callers, type Request } from "./callers.ts";
import { foundEarlier } from "./earlier-release.ts";
import { lifetime, swarm, Weather, type Fault } from "./faults.ts";
import { House } from "./house.ts";
import { Books } from "./invariants.ts";
import { Mirror } from "./mirror.ts";
import { People } from "./people.ts";
import { drawPolicies, type Policies } from "./policies.ts";
import { SimControl } from "./sim-control.ts";
import { SimNode } from "./sim-node.ts";
import { Instance, SimObject } from "./sim-object.ts";
import { SimSeller } from "./sim-seller.ts";
import { EPOCH, Scheduler } from "./scheduler.ts";
import { ENVELOPE, RECORD } from "./wallet-record.ts";
import { walletPorts } from "./wallet-ports.ts";

export { FAULTS, type Fault } from "./faults.ts";

export interface RunOptions {
  readonly seed: number;
  readonly purchases: number;
  /** Only the first so many of them begin: a failing run shrinks, and stays nearly the run it was. */
  readonly limit?: number;
  /** Left out: about three quarters of all, drawn from the seed. */
  readonly faults?: ReadonlySet<Fault>;
  readonly traced?: boolean;
}

export interface RunResult {
  readonly seed: number;
  readonly purchases: number;
  readonly steps: number;
  readonly crashes: number;
  readonly payments: number;
  readonly digest: string;
  readonly answers: Readonly<Record<string, number>>;
  readonly trace: readonly string[] | null;
}

/** From so many purchases on, the caps leave room for what an earlier release had open. */
const ENOUGH = 40;
const LONGEST = 96 * 3_600_000;

export class World {
  readonly scheduler: Scheduler;
  readonly weather: Weather;
  readonly policies: Policies;
  readonly subjects: readonly [string, string] = ["ada", "bob"];
  readonly control: SimControl;
  readonly seller: SimSeller;
  readonly node: SimNode;
  readonly object: SimObject<WalletCore>;
  readonly mirror: Mirror;
  readonly house: House;
  readonly people: People;
  readonly callers: Callers;
  readonly books: Books;
  /** Every purchase's own request, by purchase id. */
  readonly requests = new Map<string, Request>();
  readonly #options: RunOptions;
  readonly #lifetime: number;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#lifetime = lifetime(options.seed);
    this.scheduler = new Scheduler(options.seed, options.traced ?? false);
    const { scheduler } = this;
    this.weather = new Weather(scheduler, options.faults ?? swarm(options.seed));
    this.policies = drawPolicies(scheduler.choice, options.purchases);
    this.control = new SimControl(scheduler, this.weather, ENVELOPE);
    this.seller = new SimSeller(scheduler, this.weather);
    this.node = new SimNode(scheduler, this.weather, this.seller.preimages);
    // Requests that cost nothing are forgotten within hours in some runs, not within days: nothing may come to depend on them.
    const timing = {
      ...TIMING,
      keepUnpaid: scheduler.choice.oneIn(3) ? 10_800_000 : Infinity,
      keepReceipts: Infinity,
      keepSecrets: Infinity,
      keepHours: Infinity,
    };
    this.object = new SimObject(scheduler, this.weather, (instance) => new WalletCore(walletPorts(this, instance), timing));
    this.mirror = new Mirror(this.object.sql);
    this.house = new House(this);
    this.people = new People(this);
    this.callers = new Callers(this);
    this.books = new Books(this);
    this.node.onAccept = (entry, order) => this.books.accepted(entry, order);
  }

  /** How many purchases have begun. */
  get begun(): number {
    return this.callers.begun;
  }

  /** @throws Violation */
  async run(): Promise<RunResult> {
    try {
      await this.#found();
      this.#schedule();
      await this.scheduler.run(EPOCH + LONGEST, () => this.#afterStep());
      this.object.commit();
      this.books.check();
      checkAtEnd(this);
      const { seed, purchases } = this.#options;
      const { steps, digest, trace } = this.scheduler;
      return {
        seed,
        purchases,
        steps,
        crashes: this.object.crashes,
        payments: this.node.ledger.length,
        digest: digest.toString(16).padStart(8, "0"),
        answers: this.callers.answers,
        trace,
      };
    } finally {
      this.object.sql.close();
    }
  }

  /** Set-up is not part of the run: no fault, no clock. */
  async #found(): Promise<void> {
    const { sql } = this.object;
    const earlier = this.scheduler.choice.oneIn(4);
    if (earlier && this.weather.on("deploys") && this.#options.purchases >= ENOUGH) {
      foundEarlier(this);
      sql.commit();
      // The first instance of the new code migrates; the simulator's own triggers come after the tables they watch.
      void this.object.live;
      sql.commit();
      sql.watch();
      return;
    }
    const instance = new Instance<WalletCore>(0, sql);
    const core = new WalletCore({
      ...walletPorts(this, instance),
      keys: { wrap: async (key) => this.house.wrap(key), unwrap: async (version, wrapped) => this.house.unwrap(version, wrapped) },
    });
    const made = await core.create(RECORD, ENVELOPE, this.policies.wallet);
    if (!made.ok) throw new Error(`the wallet was not made: ${made.detail}`);
    for (const [name, policy] of this.policies.budgets) {
      const put = await core.putBudget(name, policy, false);
      if (!put.ok) throw new Error(`the budget was not made: ${put.detail}`);
    }
    sql.commit();
    instance.die();
    sql.watch();
  }

  #schedule(): void {
    const { scheduler, weather } = this;
    const { choice } = scheduler;
    const limit = this.#options.limit ?? Infinity;
    // Some runs are one burst, in which orders wait for a slot and everything overlaps; most have lulls in between.
    const pace = choice.pick<readonly [number, ...number[]]>([
      [10, 400, 60_000],
      [10, 400, 60_000],
      [10, 400],
      [10, 400, 5000],
      [10, 400, 5000, 600_000],
    ]);
    let at = 0;
    for (let index = 0; index < this.#options.purchases; index++) {
      at += choice.delay(choice.pick(pace));
      if (index < limit) scheduler.after(at, `purchase ${index}`, () => this.callers.buy(index));
    }
    this.house.plan(at);
    // After this nothing more goes wrong by itself, and everything must come to an end.
    scheduler.after(at + 3_600_000, "faults stop", () => {
      weather.quiet = true;
    });
  }

  #afterStep(): void {
    const { object, weather, books, node } = this;
    object.tend();
    if (object.dirty || node.changed.size > 0) {
      object.dirty = false;
      books.check();
    }
    const crash = weather.strikes("crash", 50 * this.#lifetime);
    const supersede = weather.strikes("superseded", 120 * this.#lifetime);
    if (!object.alive || !(crash || supersede)) return;
    if (crash) object.crash();
    else object.supersede();
    object.tend();
    books.check();
  }
}
