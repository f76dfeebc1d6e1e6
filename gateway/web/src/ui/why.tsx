/** One verdict opened: why in a sentence, the evidence, and the recomputation from the log. */

import { useEffect, useState } from "preact/hooks";
import type { Config, Status } from "../contract";
import { judgingOf } from "../contract";
import * as api from "../live/api";
import { decisive, levelText, next, why } from "../logic/why";
import { Copy, namesOf, Rich } from "./bits";
import { LevelGlyph } from "./glyph";
import { useSpeech } from "./speech";

type Recomputed =
  | { kind: "idle" | "running" | "failed" | "absent" }
  | { kind: "done"; match: boolean; difference: string | null };

/** Once the endpoint has said that it does not recompute, it is not asked for again. */
let offered = true;

function Recompute({ namespace, id, known }: { namespace: string; id: string; known: boolean }) {
  const { t } = useSpeech();
  const [state, setState] = useState<Recomputed>({ kind: "idle" });
  const run = async () => {
    setState({ kind: "running" });
    try {
      const { match, difference } = await api.explain(namespace, id);
      const text =
        difference === null || difference === undefined
          ? null
          : typeof difference === "string"
            ? difference
            : JSON.stringify(difference);
      setState({ kind: "done", match, difference: text });
    } catch (error) {
      // 501: this gateway does not recompute; 404 for a verdict that exists: an older one does not know how.
      const absent = error instanceof api.Refused && (error.status === 501 || (error.status === 404 && known));
      if (absent) offered = false;
      setState({ kind: absent ? "absent" : "failed" });
    }
  };
  if (!offered || state.kind === "absent") {
    const command = `iskra explain ${id}`;
    return (
      <div class="recompute">
        <p class="note">{t.why.recomputeAt}</p>
        <Copy text={() => command} label={`${t.why.copyCommand} ${command}`}>
          <code class="mono">{command}</code>
        </Copy>
      </div>
    );
  }
  return (
    <div class="recompute" aria-live="polite">
      {state.kind === "done" ? (
        <>
          <dl>
            <dt>{t.why.recomputed}</dt>
            <dd class={state.match ? "ok" : "block"}>
              <LevelGlyph level={state.match ? "OK" : "BLOCK"} size={10} />{" "}
              {state.match ? t.why.matches : t.why.differs}
            </dd>
          </dl>
          {state.difference && <pre class="mono difference">{state.difference}</pre>}
        </>
      ) : (
        <>
          <button type="button" class="plain" onClick={run} disabled={state.kind === "running"}>
            {state.kind === "running" ? t.why.recomputing : t.why.recompute}
          </button>
          {state.kind === "failed" && <p class="note">{t.why.recomputeFailed}</p>}
        </>
      )}
    </div>
  );
}

/** The verdict with its evidence: lists leave it out, so it is fetched when it is opened. */
function useEvidence(status: Status): { full: Status; failed: boolean; known: boolean } {
  const [fetched, setFetched] = useState<Status | null>(null);
  const [failed, setFailed] = useState(false);
  const { id, namespace } = status;
  const there = Boolean(status.evidence);
  useEffect(() => {
    setFailed(false);
    if (there) return;
    const abort = new AbortController();
    // A verdict of this very moment may not have reached the store yet: the second attempt finds it.
    const attempt = (left: number): Promise<void> =>
      api
        .verdict(namespace, id, abort.signal)
        .then(setFetched)
        .catch(() => {
          if (abort.signal.aborted) return;
          if (left === 0) setFailed(true);
          else setTimeout(() => !abort.signal.aborted && attempt(left - 1), 1_500);
        });
    attempt(3);
    return () => abort.abort();
  }, [id, namespace, there]);
  const full = there ? status : fetched?.id === id ? fetched : status;
  return { full, failed, known: Boolean(full.evidence) };
}

interface Props {
  status: Status;
  /** Whether it is what holds now. */
  current: boolean;
  config: Config;
  today: number;
}

export function Why({ status, current, config, today }: Props) {
  const { t, f, language } = useSpeech();
  const { full, failed, known } = useEvidence(status);
  const { evidence } = full;
  const [name] = namesOf(full.metric, config.metrics[full.metric]?.label, language);
  const level = levelText(t, full.level, full.priority);
  const judging = judgingOf(config, full.metric);
  const { window, fast } = decisive(full, judging);
  const { previous } = full;
  const rule =
    full.level === "UNKNOWN"
      ? t.why.ruleUnknown(name)
      : full.side && full.priority
        ? t.why.ruleOf(name, t.side[full.side], full.priority)
        : t.why.ruleAll(name);
  return (
    <section class="panel why" aria-labelledby="why-title" data-verdict={full.id}>
      <h2 id="why-title">{current ? t.why.title(name, level) : t.why.titleThen(name, level)}</h2>
      {(known || failed) && (
        <p class="sentence">
          <Rich text={why(full, config, { t, f })} />
        </p>
      )}
      {current && next(full, config, { t, f }).length > 0 && (
        <p class="mute next">
          {next(full, config, { t, f }).map((sentence) => (
            <span key={sentence}>{sentence} </span>
          ))}
        </p>
      )}
      <dl>
        <dt>{t.why.rule}</dt>
        <dd>{rule}</dd>
        <dt>{t.why.statistic}</dt>
        <dd>
          {fast
            ? t.statistic.fast(f.duration(window), f.duration(full.window_ms), f.value(full.value))
            : t.statistic.mean(f.duration(window), f.duration(judging.slide))}
        </dd>
        {evidence && (
          <>
            <dt>{t.why.points}</dt>
            <dd>{t.why.pointsOf(f.count(evidence.count), evidence.late, f.count(evidence.late))}</dd>
          </>
        )}
        <dt>{t.why.since}</dt>
        <dd>{f.moment(full.since, today)}</dd>
        {previous && (
          <>
            <dt>{t.why.before}</dt>
            <dd>
              {t.why.beforeOf(levelText(t, previous.level, previous.priority), f.age(full.since - previous.since))}
            </dd>
          </>
        )}
        {evidence && (
          <>
            <dt>{t.why.log}</dt>
            <dd class="mono log">
              <span>
                {evidence.topic}/{evidence.partition}
              </span>{" "}
              <span>
                {evidence.first_offset !== null &&
                  evidence.first_offset !== evidence.last_offset &&
                  `${f.offset(evidence.first_offset)} – `}
                {f.offset(evidence.last_offset)}
              </span>
            </dd>
          </>
        )}
        <dt>{t.why.config}</dt>
        <dd class="mono">{full.config}</dd>
        <dt>{t.why.id}</dt>
        <dd class="mono id">
          <Copy text={() => full.id} label={`${t.why.copyId} ${full.id}`}>
            <span>{full.id}</span>
          </Copy>
        </dd>
      </dl>
      {failed && !known && <p class="note">{t.why.evidenceMissing}</p>}
      <Recompute key={full.id} namespace={full.namespace} id={full.id} known={known} />
    </section>
  );
}
