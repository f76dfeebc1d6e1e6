import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Status } from "./contract";
import { firstLanguage, keepLanguage, type Language, speech } from "./i18n";
import * as api from "./live/api";
import { useBeat } from "./live/beat";
import type { Pulse, Selection } from "./live/pulse";
import { logTime } from "./logic/clock";
import { rank } from "./logic/need";
import { viewOf } from "./logic/view";
import { levelText } from "./logic/why";
import { selectionOf, urlOf } from "./route";
import { Actions, Waiting } from "./ui/actions";
import { Alerts } from "./ui/alerts";
import { namesOf } from "./ui/bits";
import { Empty } from "./ui/empty";
import { Icon } from "./ui/glyph";
import { Header } from "./ui/header";
import { Hero } from "./ui/hero";
import { List } from "./ui/list";
import { type Scene, useSeconds } from "./ui/scene";
import { Speaking } from "./ui/speaking";
import { SpeechContext } from "./ui/speech";
import { Verdicts } from "./ui/verdicts";
import { Vitals } from "./ui/vitals";
import { Why } from "./ui/why";

/** Arrow keys may run through the list: only where they rest is subscribed to (ms). */
const REST = 120;
/** As in the style sheet: below this width the list and the subject take turns. */
const NARROW = "(max-width: 719px)";

/** The verdict that is opened unless somebody chose: that of the metric in greatest need, else the latest. */
function worst(statuses: Iterable<Status>): Status | null {
  let found: Status | null = null;
  for (const s of statuses) {
    const by = found === null ? -1 : rank(s.level, s.priority) - rank(found.level, found.priority);
    if (found === null || by < 0 || (by === 0 && s.since > found.since)) found = s;
  }
  return found;
}

export function App({ pulse }: { pulse: Pulse }) {
  useBeat(pulse.fast);
  const [language, setLanguage] = useState<Language>(firstLanguage);
  const spoken = useMemo(() => speech(language), [language]);
  const { t, f } = spoken;
  const [selection, setSelection] = useState<Selection>(() => selectionOf(location.search));
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [said, setSaid] = useState("");
  const timer = useRef(0);

  useEffect(() => {
    document.documentElement.lang = language;
    keepLanguage(language);
  }, [language]);

  // The address says what is looked at; the list's first in need is looked at where it says nothing.
  const go = (next: Selection, replace: boolean) => {
    history[replace ? "replaceState" : "pushState"](null, "", urlOf(next));
    setSelection(next);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => pulse.select(next), replace ? 0 : REST);
  };
  useEffect(() => {
    const back = () => {
      const next = selectionOf(location.search);
      setSelection(next);
      pulse.select(next);
    };
    window.addEventListener("popstate", back);
    return () => window.removeEventListener("popstate", back);
  }, [pulse]);

  const narrow = matchMedia(NARROW).matches;
  const firstRow = pulse.known && selection.subject === null && !narrow ? pulse.list()[0] : undefined;
  useEffect(() => {
    if (firstRow) {
      go({ namespace: pulse.namespace, tenant: firstRow.tenant, subject: firstRow.subject, verdict: null }, true);
    }
  }, [firstRow?.key]);

  pulse.onVerdict = (v) => {
    setFresh((before) => new Set([...before, v.id].slice(-20)));
    const [name] = namesOf(v.metric, pulse.config?.metrics[v.metric]?.label, language);
    setSaid(t.verdicts.announced(v.subject, name, levelText(t, v.level, v.priority)));
  };
  const state = pulse.link.state.kind;
  const before = useRef(state);
  useEffect(() => {
    if (before.current === "lost" && state === "live") setSaid(t.link.restored);
    before.current = state;
    document.documentElement.dataset.link = state;
  }, [state, t]);

  const { config, focus } = pulse;
  const row = focus ? pulse.row(focus.tenant, focus.subject) : undefined;
  const now = pulse.now();
  const wallNow = now ?? Date.now();
  const view = focus && config ? viewOf(focus, config, now, pulse.heard()) : null;
  const unjudged = view?.unjudged ?? null;

  const { life } = focus ?? {};
  useSeconds(now !== null && Boolean(life?.alerts?.open.length || life?.actions?.open.length));
  const scene: Scene | null =
    focus && view && config
      ? {
          focus,
          config,
          time: view.time,
          logTime: logTime(pulse.heard(), view.time, pulse.clock, pulse.isFirst),
          today: wallNow,
          live: now !== null,
        }
      : null;

  // A verdict that the address names may be older than those at hand.
  const wantedId = selection.verdict;
  const atHand = wantedId
    ? (focus?.verdicts.find((v) => v.id === wantedId) ??
      [...(row?.statuses.values() ?? [])].find((s) => s.id === wantedId))
    : undefined;
  const missing = Boolean(
    wantedId && focus && !atHand && focus.pastVerdicts !== "loading" && focus.extra?.id !== wantedId,
  );
  useEffect(() => {
    if (!missing || !focus || !wantedId) return;
    api.verdict(focus.namespace, wantedId).then(
      (v) => {
        if (v.subject === focus.subject && v.tenant === focus.tenant) focus.extra = v;
        pulse.fast.emit();
      },
      () => go({ ...selection, verdict: null }, true),
    );
  }, [missing, wantedId, focus]);
  const extra = focus?.extra?.id === wantedId ? focus?.extra : undefined;
  const chosen = atHand ?? extra ?? (row ? worst(row.statuses.values()) : null);
  // Of the same verdict the copy that carries its evidence.
  const opened = (chosen && focus?.verdicts.find((v) => v.id === chosen.id)) ?? chosen ?? null;
  const current = opened !== null && row?.statuses.get(opened.metric)?.id === opened.id;

  const open = (id: string) => go({ ...selection, namespace: pulse.namespace, verdict: id }, true);
  const labels = Object.fromEntries(Object.entries(config?.metrics ?? {}).map(([m, c]) => [m, c.label]));
  const empty = pulse.known && pulse.rows.size === 0;
  const { parts } = pulse;
  const known = row !== undefined || (focus !== null && (focus.tracks.size > 0 || focus.verdicts.length > 0));

  useEffect(() => {
    document.title = focus ? `${focus.subject} · ${t.title} · Искра` : `${t.title} · Искра`;
  }, [focus?.subject, t]);

  return (
    <SpeechContext.Provider value={spoken}>
      <Header pulse={pulse} onLanguage={setLanguage} />
      <p class="sr" aria-live="polite">
        {said}
      </p>
      {(!parts.kafka || !parts.clickhouse || pulse.problem || unjudged !== null) && (
        <div class="notices" role="status">
          {!parts.kafka && <p>{t.parts.kafka}</p>}
          {!parts.clickhouse && <p>{t.parts.clickhouse}</p>}
          {focus && unjudged !== null && <p>{t.parts.worker(focus.subject, f.moment(unjudged, wallNow))}</p>}
          {pulse.problem && <p>{t.error(pulse.problem)}</p>}
        </div>
      )}
      <main class={`${selection.subject ? "one" : "all"}${unjudged === null ? "" : " unjudged"}`}>
        <List
          pulse={pulse}
          onSelect={(tenant, subject) =>
            go({ namespace: pulse.namespace, tenant, subject, verdict: null }, selection.subject !== null && !narrow)
          }
          onNamespace={(namespace) => go({ namespace, tenant: null, subject: null, verdict: null }, false)}
        />
        {empty && !known ? (
          <Empty namespace={pulse.namespace} first={pulse.isFirst} />
        ) : (
          <div class="subject">
            <button
              type="button"
              class="plain backward"
              onClick={() => go({ namespace: pulse.namespace, tenant: null, subject: null, verdict: null }, false)}
            >
              <Icon name="back" /> {t.allSubjects}
            </button>
            {focus && view && config && scene && (
              <>
                <Hero focus={focus} row={row} view={view} now={now} labels={labels} onOpen={open} />
                {pulse.known && !known && pulse.namespace && focus.pastPoints !== "loading" ? (
                  <p class="mute gone">{t.list.gone(focus.subject, pulse.namespace)}</p>
                ) : (
                  <>
                    <Vitals
                      focus={focus}
                      row={row}
                      view={view}
                      config={config}
                      opened={opened}
                      live={now !== null}
                      wallNow={wallNow}
                    />
                    <div class="col">
                      <Waiting scene={scene} />
                      <Alerts scene={scene} />
                      <Speaking scene={scene} view={view} />
                      {opened && (
                        <Why status={opened} current={current && unjudged === null} config={config} today={wallNow} />
                      )}
                    </div>
                    <div class="under">
                      <Actions scene={scene} />
                      <Verdicts
                        key={`${focus.namespace}|${focus.tenant}|${focus.subject}`}
                        focus={focus}
                        config={config}
                        opened={opened?.id ?? null}
                        fresh={fresh}
                        today={wallNow}
                        onOpen={open}
                      />
                    </div>
                  </>
                )}
              </>
            )}
            {!focus && pulse.known && pulse.rows.size > 0 && <p class="mute gone">{t.list.choose}</p>}
          </div>
        )}
      </main>
    </SpeechContext.Provider>
  );
}
