/** What a connection is scripted to do, by the configuration file of curl's own MQTT test server. */
export interface Script {
  /** The protocol version to expect; shown in the log. */
  readonly version: number;
  /** `PUBLISH-before-SUBACK` */
  readonly publishesBeforeSuback: boolean;
  /** `short-PUBLISH`: the last bytes of the PUBLISH are missing. */
  readonly shortensPublish: boolean;
  /** `error-CONNACK`: the return code. */
  readonly connackCode: number;
  /** `remlen-CONNACK`: the Remaining Length that it claims. */
  readonly connackLength: number;
  /** `PINGRESP-as-CONNACK` */
  readonly answersPingresp: boolean;
  /** `DISCONNECT-malformed` */
  readonly malformsDisconnect: boolean;
  /** `excessive-remaining`: the Remaining Length of the PUBLISH is longer than four bytes can say. */
  readonly exceedsRemaining: boolean;
  /** `Testnum`: which file has the payload. */
  readonly testNumber: number | undefined;
  /** Whether it says anything but a version: without that the ordinary broker serves the connection. */
  readonly isScripted: boolean;
}

type Values = { -readonly [Name in keyof Script]: Script[Name] };

/**
 * Reads a configuration file: a key and a value on each line, of 31 characters at most; a key alone is a flag.
 * @param warn is told of lines that mean nothing; they are left out
 */
export function parseScript(text: string, warn: (line: string) => void): Script {
  const script: Values = {
    version: 5,
    publishesBeforeSuback: false,
    shortensPublish: false,
    connackCode: 0,
    connackLength: 2,
    answersPingresp: false,
    malformsDisconnect: false,
    exceedsRemaining: false,
    testNumber: undefined,
    isScripted: false,
  };
  for (const line of text.split('\n')) {
    const [key, value] = line.trim().split(/\s+/, 2).map((token) => token.slice(0, longestToken)); // prettier-ignore
    if (key === '' || key.startsWith('#')) continue;
    const take = keys[key];
    if (!take) warn(`unknown key ${JSON.stringify(key)}`);
    else if (!take(script, value)) warn(`${key}: ${JSON.stringify(value ?? '')} is not a number that it can be`);
    else if (key !== 'version') script.isScripted = true;
  }
  return script;
}

/** Characters of a key or a value. */
const longestToken = 31;

/** Applies a value; false when it is none. A Map of functions by name: `constructor` is no key. */
const keys: Readonly<Record<string, ((script: Values, value: string | undefined) => boolean) | undefined>> =
  Object.assign(Object.create(null) as object, {
    version: number('version'),
    'PUBLISH-before-SUBACK': flag('publishesBeforeSuback'),
    'short-PUBLISH': flag('shortensPublish'),
    'error-CONNACK': number('connackCode'),
    'remlen-CONNACK': number('connackLength'),
    'PINGRESP-as-CONNACK': flag('answersPingresp'),
    'DISCONNECT-malformed': flag('malformsDisconnect'),
    'excessive-remaining': flag('exceedsRemaining'),
    Testnum: number('testNumber', Number.MAX_SAFE_INTEGER),
  });

type NameOf<T> = { [Name in keyof Script]: Script[Name] extends T ? Name : never }[keyof Script];

function flag(name: NameOf<boolean>) {
  return (script: Values): boolean => (script[name] = true);
}

function number(name: NameOf<number | undefined>, most = 255) {
  return (script: Values, value = ''): boolean => {
    const given = /^\d+$/.test(value) ? Number(value) : NaN;
    if (!(given <= most)) return false;
    script[name] = given;
    return true;
  };
}
