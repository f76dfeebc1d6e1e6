import { isTime } from "../i18n/format";
import { useSpeech } from "./speech";

/** When something was, for people and for machines. */
export function Moment({ ts, today }: { ts: number; today: number }) {
  const { f } = useSpeech();
  return <time {...(isTime(ts) ? { dateTime: new Date(ts).toISOString() } : {})}>{f.moment(ts, today)}</time>;
}
