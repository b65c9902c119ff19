import { exemptSubscribe } from './exempt-subscribe.js';

/**
 * Normative statements that bind a server by the tables and have no test, each with the reason in one sentence.
 *
 * By id as in `mqtt5.tsv`; ids of MQTT 3.1.1 have `3.1.1:` in front.
 */
export const exempt: Readonly<Record<string, string>> = {
  ...exemptSubscribe,
};
