/** All that the page knows, and the one place where what the server says changes it. */

import type { Config, Delta, Hello, ServerMessage, Snapshot, Status } from "../contract";
import type { LifeLine } from "../life";
import { byNeed, type Need, NO_NEED, needOf } from "../logic/need";
import { SIGNALS } from "../logic/view";
import { Beat } from "./beat";
import { Focus } from "./focus";
import { Link } from "./link";

/** Samples of a sparkline: as many as its width can tell apart. */
const SPARK = 40;
/** The list is sorted and drawn at most this often (ms): more often than that nobody reads it. */
const LIST_EVERY = 400;
/** While somebody points at the list it keeps its order for so long (ms), so that no row slips away under a click. */
const HOLD = 1_500;

export interface Row {
  key: string;
  /** Tenant and subject, for sorting and searching. */
  name: string;
  tenant: string;
  subject: string;
  statuses: Map<string, Status>;
  need: Need;
  spark: number[];
  /** Greatest time of what the engine wrote of it, as far as the page was told. */
  lastTs: number;
}

export interface Selection {
  namespace: string | null;
  tenant: string | null;
  subject: string | null;
  verdict: string | null;
}

function keyOf(namespace: string, tenant: string, subject: string): string {
  return `${namespace}|${tenant}|${subject}`;
}

export class Pulse {
  hello: Hello | null = null;
  /** Whether a first snapshot has come: before it, an empty list means nothing. */
  known = false;
  /** Whether there are more subjects than the server lists. */
  partial = false;
  parts = { kafka: true, clickhouse: true };
  problem: string | null = null;
  focus: Focus | null = null;
  namespace: string | null;
  /** Greatest time that was seen in the namespace (ms): where time is virtual, the log's as far as it is known. */
  clock = 0;
  readonly rows = new Map<string, Row>();
  /** By key of row: subjects in whom something lives. */
  readonly lives = new Map<string, LifeLine>();

  readonly fast = new Beat();
  readonly slow = new Beat(LIST_EVERY);
  readonly link: Link;
  /** Called when a verdict of the focused subject arrives live. */
  onVerdict: (status: Status) => void = () => {};
  /** Called with the times (ms) of the points of each message, for measuring; null: nobody measures. */
  onPoints: ((times: number[]) => void) | null = null;

  private seq: number | null = null;
  /** Since when the gateway hears of windows (ms of its time). */
  private began = 0;
  private epoch: string | null = null;
  private order: Row[] = [];
  private unsorted = true;
  private holdUntil = 0;

  constructor(
    url: string,
    private wanted: Selection,
  ) {
    this.namespace = wanted.namespace;
    this.link = new Link(
      url,
      (message) => this.apply(message),
      () => {
        this.fast.emit();
        this.slow.emit();
      },
    );
  }

  get config(): Config | null {
    return this.hello?.config ?? null;
  }

  /** Server time, or null while cut off. */
  now(): number | null {
    return this.link.state.kind === "live" ? this.link.now() : null;
  }

  /** Until when the server was heard of (ms): now, or the moment of the cut. */
  heard(): number {
    const { state } = this.link;
    return this.now() ?? (state.kind === "lost" ? (state.since ?? 0) : 0);
  }

  /** Rows in the order of need. */
  list(): Row[] {
    if (this.unsorted && performance.now() >= this.holdUntil) {
      this.order = [...this.rows.values()].sort(byNeed);
      this.unsorted = false;
    }
    return this.order;
  }

  /** Somebody is about to press something in the list. */
  hold(): void {
    if (this.holdUntil < performance.now() && this.unsorted) this.list();
    this.holdUntil = performance.now() + HOLD;
    setTimeout(() => this.slow.emit(), HOLD + 50);
  }

  row(tenant: string, subject: string): Row | undefined {
    return this.namespace === null ? undefined : this.rows.get(keyOf(this.namespace, tenant, subject));
  }

  /** Looks at another subject, namespace, or both. */
  select(wanted: Selection): void {
    const namespace = wanted.namespace ?? this.namespace;
    const before = this.focus;
    this.wanted = { ...wanted, namespace };
    const elsewhere = namespace !== this.namespace;
    if (elsewhere) {
      this.namespace = namespace;
      this.rows.clear();
      this.lives.clear();
      this.clock = 0;
      this.unsorted = true;
      this.known = false;
      this.seq = null;
    }
    this.aim();
    // another verdict of the same subject is there already
    if (elsewhere || this.focus !== before) this.subscribe();
    this.fast.emit();
    this.slow.emit();
  }

  /** Makes the focus what is wanted. */
  private aim(): void {
    const { tenant, subject } = this.wanted;
    const { focus, namespace } = this;
    if (focus && focus.namespace === namespace && focus.subject === subject && focus.tenant === tenant) return;
    focus?.close();
    this.focus = null;
    if (!this.hello || namespace === null || subject === null || tenant === null) return;
    this.focus = new Focus(namespace, tenant, subject, this.isFirst, () => this.fast.emit());
  }

  /** After each answer to `subscribe`, so that no point falls between the past and the live ones. */
  private fetchPast(): void {
    const { focus } = this;
    if (!focus) return;
    const row = this.row(focus.tenant, focus.subject);
    const now = this.link.now();
    for (const status of row?.statuses.values() ?? []) focus.addVerdict(status);
    const times = [row?.lastTs ?? 0, ...[...(row?.statuses.values() ?? [])].map((s) => s.since)];
    focus.move(Math.max(...times), now);
    focus.windows.hear(row?.lastTs ?? 0);
    const metrics = new Set([...Object.keys(this.config?.metrics ?? {}), ...(row?.statuses.keys() ?? [])]);
    focus.fetchPast([...metrics], SIGNALS, focus.newest || now, this.config, (end) => this.owedSince(end));
  }

  /**
   * Since when a window that is not there is owed, if its points came before anybody looked: where time is the wall
   * clock's, since its end; but a gateway that has just started hears of the next one only.
   */
  private owedSince(end: number): number {
    if (!this.isFirst || !this.config) return this.link.now();
    return Math.max(end + this.config.time.allowed_lateness, this.began + Math.min(...(this.config.windows ?? [])));
  }

  /** Whether the namespace is the live one, whose time is the wall clock's. */
  get isFirst(): boolean {
    return this.namespace === this.hello?.namespaces[0];
  }

  private tick(clock: number | undefined): void {
    if (clock !== undefined && clock > this.clock) this.clock = clock;
  }

  private subscribe(): void {
    if (!this.hello || this.namespace === null) return;
    this.link.send({
      op: "subscribe",
      namespace: this.namespace,
      tenant: null,
      subject: this.focus?.subject ?? null,
      ...(this.focus ? { focus_tenant: this.focus.tenant } : {}),
      points: this.focus !== null,
      quick: this.focus !== null,
      resume: this.seq !== null && this.epoch !== null ? { epoch: this.epoch, seq: this.seq } : null,
    });
  }

  private apply(message: ServerMessage): void {
    switch (message.type) {
      case "hello":
        this.greet(message);
        break;
      case "snapshot":
        this.replace(message);
        break;
      case "resumed":
        this.seq = message.seq;
        if (message.life) this.focus?.takeLife(message.life);
        this.hear(message.judged);
        this.fetchPast();
        break;
      case "delta":
        this.change(message);
        break;
      case "parts": {
        const back = message.clickhouse && !this.parts.clickhouse;
        this.parts = { kafka: message.kafka, clickhouse: message.clickhouse };
        if (back && this.known) this.fetchPast();
        this.fast.emit();
        break;
      }
      case "error":
        this.problem = message.message;
        this.fast.emit();
        break;
      default:
        break;
    }
  }

  private greet(hello: Hello): void {
    this.hello = hello;
    this.problem = null;
    if (this.namespace === null || !hello.namespaces.includes(this.namespace)) {
      this.namespace = hello.namespaces[0] ?? null;
      this.rows.clear();
      this.clock = 0;
      this.known = false;
      this.seq = null;
    }
    if (this.epoch !== hello.epoch) this.seq = null;
    this.epoch = hello.epoch;
    this.aim();
    this.subscribe();
    this.fast.emit();
    this.slow.emit();
  }

  private replace(snapshot: Snapshot): void {
    this.seq = snapshot.seq;
    this.began = snapshot.began ?? 0;
    this.tick(snapshot.clock);
    const sparks = new Map([...this.rows].map(([key, row]) => [key, row.spark]));
    this.rows.clear();
    for (const { namespace, tenant, subject, last_ts } of snapshot.subjects) {
      const row = this.rowFor(namespace, tenant, subject);
      row.lastTs = last_ts ?? 0;
    }
    for (const status of snapshot.statuses) {
      this.rowFor(status.namespace, status.tenant, status.subject).statuses.set(status.metric, status);
    }
    for (const row of this.rows.values()) {
      row.spark = sparks.get(row.key) ?? row.spark;
    }
    this.lives.clear();
    this.takeLives(snapshot.lives);
    for (const row of this.rows.values()) this.weigh(row);
    if (snapshot.life) this.focus?.takeLife(snapshot.life);
    this.partial = (snapshot.total ?? 0) > snapshot.statuses.length;
    this.known = true;
    this.unsorted = true;
    this.fetchPast();
    this.fast.emit();
    this.slow.emit();
  }

  private change(delta: Delta): void {
    this.seq = delta.seq;
    this.tick(delta.clock);
    const now = this.link.now();
    for (const status of delta.statuses ?? []) {
      const row = this.rowFor(status.namespace, status.tenant, status.subject);
      row.statuses.set(status.metric, status);
      this.weigh(row);
      row.lastTs = Math.max(row.lastTs, status.since);
      if (row === this.focusRow()) this.focus?.move(status.since, now);
    }
    for (const gone of delta.removed ?? []) this.remove(gone);
    this.takeLives(delta.lives);
    if (delta.life) this.focus?.takeLife(delta.life);
    for (const [key, value] of Object.entries(delta.sparks ?? {})) {
      const row = this.rows.get(key);
      if (!row) continue;
      row.spark.push(value);
      if (row.spark.length > SPARK) row.spark.shift();
    }
    const { focus } = this;
    this.hear(delta.judged);
    if (focus && (delta.points || delta.verdicts)) {
      for (const verdict of delta.verdicts ?? []) {
        if (!focus.verdicts.some((v) => v.id === verdict.id)) this.onVerdict(verdict);
      }
      focus.apply(delta, this.config, now);
      if (delta.points) this.onPoints?.(delta.points.map((point) => point[1]));
    }
    if (delta.points || delta.verdicts || delta.statuses || delta.life) this.fast.emit();
    this.slow.emit();
  }

  private takeLives(lines: LifeLine[] | undefined): void {
    for (const line of lines ?? []) {
      const key = keyOf(line.namespace, line.tenant, line.subject);
      if (line.active.length || line.queued.length || line.firing || line.waiting || line.acknowledged || line.pending)
        this.lives.set(key, line);
      else this.lives.delete(key);
      const row = this.rows.get(key);
      if (row) this.weigh(row);
    }
  }

  private weigh(row: Row): void {
    row.need = needOf(row.statuses.values(), this.lives.get(row.key)?.worst ?? null);
    this.unsorted = true;
  }

  /** The engine has come so far with the subject in focus (ms of its time). */
  private hear(judged: number | undefined): void {
    const row = this.focusRow();
    if (!row) return;
    row.lastTs = Math.max(row.lastTs, judged ?? 0);
    this.focus?.windows.hear(row.lastTs);
  }

  private focusRow(): Row | undefined {
    return this.focus ? this.row(this.focus.tenant, this.focus.subject) : undefined;
  }

  private rowFor(namespace: string, tenant: string, subject: string): Row {
    const key = keyOf(namespace, tenant, subject);
    let row = this.rows.get(key);
    if (!row) {
      row = {
        key,
        name: `${tenant}/${subject}`,
        tenant,
        subject,
        statuses: new Map(),
        need: NO_NEED,
        spark: [],
        lastTs: 0,
      };
      this.rows.set(key, row);
      this.unsorted = true;
    }
    return row;
  }

  /** `namespace|tenant|subject|metric`: names hold no bar. */
  private remove(gone: string): void {
    const [namespace = "", tenant = "", subject = "", metric] = gone.split("|");
    const row = this.rows.get(keyOf(namespace, tenant, subject));
    if (!row) return;
    if (metric) row.statuses.delete(metric);
    if (!metric || !row.statuses.size) this.rows.delete(row.key);
    this.weigh(row);
  }
}
