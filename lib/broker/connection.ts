import type { Duplex } from 'node:stream';
import { MqttError, UnsupportedProtocolError } from '../protocol/mqtt-error.js';
import { PacketDecoder } from '../protocol/packet-decoder.js';
import {
  PacketType,
  isAcknowledgement,
  prescribedFlags,
  type Packet,
  type ProtocolVersion,
} from '../protocol/packets.js';
import { ReasonCode } from '../protocol/reason-codes.js';
import type { Departure } from './announcements.js';
import { encodeAnswer, farewell, refusal, unsupportedVersion } from './answers.js';
import type { Broker } from './broker.js';
import type { Client, Peer } from './client.js';
import { isDirect, take } from './direct-stream.js';
import type { Authentication } from './handlers/auth.js';
import type { Entrance } from './entrance.js';
import { handlePacket } from './handlers/index.js';
import { Inlet } from './inlet.js';
import { Outbox } from './outbox.js';
import { barredSubscriptions } from './rights.js';
import type { Session } from './session.js';
import type { TopicAliases } from './topic-aliases.js';

/**
 * One byte stream of a client: bytes to packets and back.
 *
 * Packets are handled synchronously, in order. Where the answer comes from outside (authentication, a store) the
 * connection is parked: the stream is not read, what was read waits, and reading goes on when the promise settles.
 */
export class Connection {
  readonly outbox: Outbox;
  /** Set when the CONNECT was accepted; the first packet until then is the only one handled. */
  client: Client | undefined = undefined;
  session: Session | undefined = undefined;
  protocolVersion: ProtocolVersion = 4;
  /** QoS 1 and 2 messages that may be unacknowledged towards this client. */
  receiveMaximum: number;
  /** Bytes of the largest packet that this client takes. */
  maximumPacketSize = Infinity;
  /** Whether Reason String and User Property may stand on every packet (MQTT 5, 3.1.2.11.7). */
  wantsProblemInformation = true;
  /** Seconds; 0 is off. */
  keepAlive = 0;
  /** Milliseconds since the epoch when the credentials run out. */
  validUntil = Infinity;
  /** Topic aliases that the client has set, by number. */
  readonly receivedAliases: (string | undefined)[] = [];
  /** Topic aliases that we use towards the client, where it allows any. */
  sentAliases: TopicAliases | undefined = undefined;
  /** Enhanced authentication that is under way, and the method that the CONNECT named. */
  authentication: Authentication | undefined = undefined;
  /** QoS 1 and 2 messages of this client that wait for their last acknowledgement from us. */
  unacknowledged = 0;
  /** `broker.beat` when the client was heard last. */
  heardAt: number;
  readonly openedAt: number;

  private readonly decoder: PacketDecoder;
  private parked = 0;
  private isWaitingForRoom = false;
  private ownInlet: Inlet | undefined = undefined;
  /** Answers that wait until what they promise is kept, or until it is decided what they are, and bytes held for them. */
  private owed = 0;
  private owedBytes = 0;
  private isWaitingForAnswers = false;
  private isPumpDue = false;
  private departure: Departure | undefined = undefined;
  private isClosing = false;
  private isGone = false;

  constructor(
    readonly broker: Broker,
    readonly stream: Duplex,
    readonly peer: Peer,
    readonly entrance: Entrance,
  ) {
    const { limits } = entrance;
    this.receiveMaximum = limits.maximumInFlight;
    this.heardAt = this.openedAt = broker.beat;
    this.outbox = new Outbox(stream, broker.barrier, limits.maximumOutboxBytes, () => this.onRoom());
    this.decoder = new PacketDecoder({ maximumPacketSize: limits.maximumConnectSize, seenTopics: broker.seenTopics });
    if (isDirect(stream)) stream[take] = (bytes, length) => this.onRead(bytes, length);
    else stream.on('data', (chunk: Buffer) => this.onData(chunk));
    stream.on('end', () => this.onEnd());
    stream.on('error', () => this.destroy());
    stream.on('close', () => this.destroy());
  }

  /** Messages that somebody decides about; made when it publishes. */
  get inlet(): Inlet {
    return (this.ownInlet ??= new Inlet(this));
  }

  /** Whether packets are still taken from the client. */
  get isOpen(): boolean {
    return !this.isClosing && !this.isGone;
  }

  /** Whether the client cannot be heard because we do not read: keep-alive does not run then. */
  get isUnread(): boolean {
    return this.parked > 0 || this.isWaitingForRoom || this.isWaitingForAnswers;
  }

  /** The CONNECT was accepted: larger packets may come. */
  accept(client: Client, session: Session): void {
    this.client = client;
    this.session = session;
    this.keepAlive = client.keepAlive;
    this.validUntil = client.validUntil?.getTime() ?? Infinity;
    this.decoder.maximumPacketSize = this.entrance.limits.maximumPacketSize;
  }

  /** Handles nothing more from this client until `outcome` settles; a rejection closes the connection. */
  park(outcome: Promise<void>): void {
    this.parked++;
    this.stream.pause();
    outcome.then(
      () => this.unpark(),
      (error: unknown) => {
        this.parked--;
        this.fail(error);
      },
    );
  }

  /** Goes on when all answers are known: at once if they are, else nothing more of this client is handled until then. */
  whenKnown<T>(answers: readonly (T | Promise<T>)[], goOn: (known: readonly T[]) => void): void {
    if (answers.every((answer): answer is T => !isLater(answer))) {
      goOn(answers);
      return;
    }
    this.park(
      Promise.all(answers.map(async (answer) => answer)).then((known) => {
        if (this.isOpen) goOn(known);
      }),
    );
  }

  /** Rights have changed: what the client has subscribed to is asked for again. */
  reauthorize(): void {
    const session = this.session!;
    const barred = barredSubscriptions(this.entrance.auth, this.client!, session.subscriptions);
    this.whenKnown([barred], ([filters]) => session.revoke(filters));
  }

  /** There is room for messages to the client: they go when the acknowledgements that came together are handled. */
  pumpSoon(): void {
    this.isPumpDue = true;
  }

  /** Sends what waits, from where nobody catches: what goes wrong concerns this client alone. */
  sendOn(): void {
    try {
      this.session?.pump();
    } catch (error) {
      this.fail(error);
    }
  }

  /** An answer waits for what it promises; a client to which too many are owed is not read. */
  owe(bytes = 0): void {
    this.owed++;
    this.owedBytes += bytes;
  }

  /** An answer was given, or never will be. */
  answered(bytes = 0): void {
    this.owed--;
    this.owedBytes -= bytes;
    if (!this.isWaitingForAnswers || this.owesMoreThan(0.5)) return;
    this.isWaitingForAnswers = false;
    this.readOn();
  }

  /** Queues a packet behind this tick's commit; one that the client must have and cannot take leaves nothing but to part. */
  reply(packet: Packet): void {
    const bytes = encodeAnswer(packet, this);
    if (bytes) this.broker.barrier.hold(this, bytes);
    else this.close();
  }

  /** Queues an acknowledgement without reason and properties behind this tick's commit. */
  acknowledge(type: number, packetId: number): void {
    this.broker.barrier.holdAcknowledgement(this, (type << 4) | prescribedFlags(type), packetId);
  }

  /** The commit is done: the acknowledgement may go. */
  sendAcknowledgement(firstByte: number, packetId: number): void {
    const type = firstByte >> 4;
    const isLast = type === PacketType.PUBACK || type === PacketType.PUBCOMP;
    // Not below 0: a PUBREL may belong to a PUBLISH of an earlier connection.
    if (isLast && this.unacknowledged > 0) this.unacknowledged--;
    this.outbox.acknowledge(firstByte, packetId);
  }

  /** Tells an MQTT 5 client why, and closes; the will is published unless `DISCONNECT` came before. */
  disconnect(reasonCode: number, reason?: string): void {
    if (!this.isOpen) return;
    this.departure ??= { by: 'broker', reasonCode };
    const { protocolVersion } = this;
    const { serverReference } = this.broker.capabilities;
    const answer = { protocolVersion, reasonCode, reason, serverReference };
    // A client that has not named its version cannot read an answer.
    const isReadable = this.client !== undefined || this.decoder.protocolVersion !== undefined;
    const last = this.client ? farewell(answer) : refusal(answer);
    if (last && isReadable) this.reply(last);
    this.close();
  }

  /** Stops listening to the client, lets go of the session, and ends the stream behind what is queued. */
  close(departure?: Departure): void {
    if (!this.isOpen) return;
    this.departure ??= departure;
    this.isClosing = true;
    this.heardAt = this.broker.beat;
    this.release();
    this.broker.barrier.hold(this, undefined);
  }

  /**
   * The commit is done: writes what is left and ends the stream. What the peer still sends is read and thrown away
   * for a moment, as closing with unread bytes resets the connection and loses what we said last.
   */
  end(): void {
    if (this.isGone) return;
    this.outbox.flush();
    this.stream.end();
    this.stream.resume();
  }

  /** Ends the stream at once. */
  destroy(): void {
    if (this.isGone) return;
    if (!this.isClosing) this.release();
    this.isGone = true;
    this.stream.destroy();
    this.broker.gone(this);
  }

  /** Listens no more, and ends the stream when so many milliseconds have passed. */
  destroyAfter(ms: number): void {
    this.park(new Promise((resolve) => setTimeout(resolve, ms).unref()).then(() => this.destroy()));
  }

  /** The one place where a fault of the peer, or of what we asked for it, ends a connection. */
  fail(error: unknown): void {
    if (!this.isOpen) return;
    const { log, counters } = this.broker;
    if (error instanceof MqttError) {
      counters.protocolErrors++;
      const rule = error.rule === undefined ? '' : ` rule=${error.rule}`;
      const code = `0x${error.reasonCode.toString(16)}`;
      log.debug(`client refused id=${this.describe()} reason=${code}${rule}: ${error.message}`);
      if (error instanceof UnsupportedProtocolError) this.refuseVersion(error.level);
      else this.disconnect(error.reasonCode, error.message);
    } else {
      log.error(`connection failed id=${this.describe()}`, error);
      this.disconnect(ReasonCode.UnspecifiedError);
    }
    this.close();
  }

  /** Client id, or the address as long as there is none: for the log. */
  describe(): string {
    return JSON.stringify((this.client?.clientId ?? this.peer.remoteAddress ?? this.peer.listener).slice(0, 64));
  }

  private release(): void {
    this.broker.released(this, this.departure ?? { by: 'network' });
  }

  /** [MQTT-3.1.2-2] */
  private refuseVersion(level: number | undefined): void {
    if (level !== undefined) this.broker.barrier.hold(this, unsupportedVersion(level));
  }

  private onData(chunk: Buffer): void {
    if (!this.hears(chunk.length)) return;
    this.decoder.push(chunk);
    this.read();
  }

  /** What was read of a DirectStream: the bytes are somebody else's next. */
  private onRead(bytes: Buffer, length: number): void {
    if (!this.hears(length)) return;
    const { decoder, broker } = this;
    if (decoder.missing >= length) decoder.push(bytes, 0, length);
    else {
      const start = broker.arena.add(bytes, length);
      decoder.push(broker.arena.bytes, start, start + length);
    }
    this.read();
    decoder.keep();
  }

  /** Whether so many bytes that have come are to be handled. */
  private hears(length: number): boolean {
    if (!this.isOpen) return false;
    if (this.session?.stored?.isCurrent === false) {
      this.destroy();
      return false;
    }
    this.broker.loans.received(length);
    return true;
  }

  private read(): void {
    const { broker } = this;
    try {
      while (this.isOpen && this.parked === 0 && !this.isWaitingForRoom && !this.owesMoreThan(1)) {
        const packet = this.decoder.next();
        if (packet === undefined) break;
        this.heardAt = broker.beat;
        if (this.client === undefined && packet.type === PacketType.CONNECT) {
          this.protocolVersion = packet.protocolVersion;
        }
        // What acknowledgements make room for comes before the answer to what is behind them.
        if (this.isPumpDue && !isAcknowledgement(packet.type)) this.pump();
        handlePacket(this, packet);
      }
      if (this.isOpen && this.isPumpDue) this.pump();
    } catch (error) {
      if (this.client === undefined) this.protocolVersion = this.decoder.protocolVersion ?? 4;
      this.fail(error);
    }
    if (!this.isOpen) return;
    // A client that does not take our answers is not listened to, and one to whom too many are owed has to wait.
    if (!this.outbox.hasRoom()) this.isWaitingForRoom = true;
    if (this.owesMoreThan(1)) this.isWaitingForAnswers = true;
    if (this.isWaitingForRoom || this.isWaitingForAnswers) this.stream.pause();
  }

  private pump(): void {
    this.isPumpDue = false;
    this.session!.pump();
  }

  /** @param part of what may be owed to one client */
  private owesMoreThan(part: number): boolean {
    if (this.owed === 0) return false;
    const { receiveMaximum, maximumUndecidedBytes } = this.entrance.limits;
    return this.owed > receiveMaximum * part || this.owedBytes > maximumUndecidedBytes * part;
  }

  private readOn(): void {
    this.heardAt = this.broker.beat;
    this.read();
    if (this.isOpen && !this.isUnread) this.stream.resume();
  }

  private unpark(): void {
    // What it was parked for may have parked it again.
    if (--this.parked > 0) return;
    this.readOn();
  }

  private onRoom(): void {
    if (!this.isOpen) return;
    this.sendOn();
    if (!this.isWaitingForRoom) return;
    this.isWaitingForRoom = false;
    this.readOn();
  }

  private onEnd(): void {
    if (this.isOpen) this.close();
    else this.destroy();
  }
}

/** Whatever has a `then`: an Auth may have promises of its own making. */
const isLater = (answer: unknown): boolean => typeof (answer as { then?: unknown } | undefined)?.then === 'function';
