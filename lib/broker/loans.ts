import type { Session } from './session.js';

/**
 * QoS 1 and 2 messages whose bytes still lie in the chunks that came from their publishers' sockets.
 *
 * Most are acknowledged within milliseconds, and copying each of them out took a quarter of the CPU of a QoS 1 message. What
 * is still here when chunks of `lentBytes` have come in, and at every beat, is copied, so that no message that stays keeps a
 * chunk alive of which it is a small part.
 */
export class Loans {
  private borrowers: Session[] = [];
  private receivedBytes = 0;

  /** A session has taken a message that lies in a chunk. */
  lend(session: Session): void {
    if (session.isBorrower) return;
    session.isBorrower = true;
    this.borrowers.push(session);
  }

  /** A chunk came in. */
  received(bytes: number): void {
    this.receivedBytes += bytes;
    if (this.receivedBytes >= lentBytes) this.callIn();
  }

  /** What is still here is copied out of its chunk. */
  callIn(): void {
    this.receivedBytes = 0;
    const { borrowers } = this;
    if (borrowers.length === 0) return;
    this.borrowers = [];
    for (const session of borrowers) {
      session.isBorrower = false;
      session.keep();
    }
  }
}

/** Bytes of chunks that messages may keep alive. */
const lentBytes = 4_194_304;
