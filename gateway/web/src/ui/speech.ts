import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { type Speech, speech } from "../i18n";

export const SpeechContext = createContext<Speech>(speech("en"));

export function useSpeech(): Speech {
  return useContext(SpeechContext);
}
