/** What lives in the API: rows that were there before, and those that come, change and go. */
import type { Agenda } from './agenda.js';
import type { ApiRow, VirtualApi } from './api.js';
import { startOf, type Scenario } from './scenario.js';
import { seesChanges, type StreamPlan } from './source.js';

const ONE_SECOND_SHARE = 0.1;

export class Life {
  isStill = false;
  private ids = 0;

  constructor(
    private readonly agenda: Agenda,
    private readonly api: VirtualApi,
    private readonly scenario: Scenario,
  ) {}

  /** The rows that are there before the first run. */
  begin(): void {
    const { agenda, api, scenario } = this;
    const end = api.seconds;
    for (const plan of scenario.plans) {
      const burst = agenda.chance(0.3);
      const rows = plan.shape === 'children' ? scenario.rows * 2 : scenario.rows;
      for (let i = 0; i < rows; i++) {
        const share = burst && agenda.chance(0.7) ? 0.4 + 0.0001 * agenda.random.next() : agenda.random.next();
        const place = agenda.chance(ONE_SECOND_SHARE) ? 0.5 : share;
        // No row is older than its account.
        const created = Math.max(
          startOf(scenario.historySeconds),
          end - 1 - Math.floor(place * (scenario.historySeconds - 2)),
        );
        const updated = agenda.chance(0.5) ? created : created + agenda.random.integer(Math.max(1, end - created));
        this.add(plan, created, updated);
      }
    }
    if (scenario.poison) this.poison();
  }

  /** Goes on while a run does; the returned function ends it. */
  during(): () => void {
    const { changesPerSecond } = this.scenario;
    let stop = () => {};
    if (changesPerSecond <= 0 || this.isStill) return stop;
    const next = () => {
      stop = this.agenda.in((-Math.log(1 - this.agenda.random.next()) * 1000) / changesPerSecond, () => {
        this.change(this.agenda.pick(this.scenario.plans));
        next();
      });
    };
    next();
    return () => stop();
  }

  /** Some rows change while nobody reads. */
  pass(): void {
    for (const plan of this.scenario.plans) for (let i = this.agenda.random.integer(6); i > 0; i--) this.change(plan);
  }

  /** The first rows of numbered lists go, so that all others move up. */
  frontGoes(): void {
    for (const plan of this.scenario.plans) {
      if (plan.shape !== 'numbered' && plan.shape !== 'offsets') continue;
      const sign = plan.oldestFirst ? 1 : -1;
      const rows = [...this.api.collection(plan.name).rows.values()].toSorted(
        (a, b) => sign * (a.created - b.created) || (a.id < b.id ? -sign : sign),
      );
      for (const row of rows.slice(0, this.scenario.frontGoes)) this.remove(plan, row);
    }
  }

  heal(): void {
    this.isStill = true;
    for (const { rows } of this.api.collections.values())
      for (const row of rows.values()) if (row.poison) delete row.poison;
  }

  private change(plan: StreamPlan): void {
    const { agenda, api, scenario } = this;
    const rows = [...api.collection(plan.name).rows.values()];
    const roll = agenda.random.next();
    const { insert, update } = scenario.mix;
    if (roll < insert || rows.length === 0) {
      const at = api.seconds + scenario.aheadSeconds;
      if (scenario.lateMs > 0) agenda.in(agenda.between(0, scenario.lateMs), () => this.add(plan, at, at));
      else this.add(plan, at, at);
    } else if (roll < insert + update) {
      if (!seesChanges(plan)) return;
      const row = agenda.pick(rows);
      this.put(plan, { ...row, updated: api.seconds, rev: row.rev + 1 });
    } else if (
      plan.shape !== 'newest' ||
      !scenario.plans.some(({ parent }) => parent === plan.name) ||
      agenda.chance(0.5)
    )
      this.remove(plan, agenda.pick(rows));
  }

  private add(plan: StreamPlan, created: number, updated: number): void {
    let parent: string | undefined;
    if (plan.parent !== undefined) {
      const parents = [...this.api.collection(plan.parent).rows.keys()];
      if (parents.length === 0) return;
      parent = this.agenda.pick(parents);
    }
    const id = `${plan.name.slice(0, 2)}${String(++this.ids).padStart(5, '0')}`;
    this.put(plan, { id, created, updated, rev: 1, ...(parent === undefined ? {} : { parent }) });
  }

  private put(plan: StreamPlan, row: ApiRow): void {
    this.api.collection(plan.name).put(row);
    if (plan.follow.kind === 'events') this.api.tell(plan.name, row.id);
    this.agenda.note('row', row.rev, () => `${plan.name} ${row.id} rev ${row.rev} updated ${row.updated}`);
  }

  private remove(plan: StreamPlan, row: ApiRow): void {
    this.api.collection(plan.name).remove(row.id);
    if (plan.follow.kind === 'events') this.api.tell(plan.name, row.id);
    this.agenda.note('gone', 0, () => `${plan.name} ${row.id}`);
    // The children of a parent go with it.
    for (const child of this.scenario.plans)
      if (child.parent === plan.name)
        for (const each of this.api.collection(child.name).rows.values())
          if (each.parent === row.id) this.api.collection(child.name).remove(each.id);
  }

  private poison(): void {
    const { agenda, api, scenario } = this;
    const rows = [...api.collection(agenda.pick(scenario.plans).name).rows.values()];
    if (rows.length > 0) agenda.pick(rows).poison = true;
  }
}
