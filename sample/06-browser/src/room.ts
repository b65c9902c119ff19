import { Controller, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { MQTTdException, MQTTdPublisher, OnPublish } from 'nestjs-mqttd';

/** A room that becomes as warm as it is told to, and says every second how warm it is. */
@Controller()
export class Room implements OnApplicationBootstrap, OnApplicationShutdown {
  private celsius = 19;
  private wanted = 19;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly publisher: MQTTdPublisher) {}

  /** Nobody else gets what does not pass here; the page that sent it is told why. */
  @OnPublish('room/wanted', { mode: 'gate' })
  set(@Payload() celsius: unknown): void {
    if (typeof celsius !== 'number' || celsius < 5 || celsius > 30)
      throw new MQTTdException(0x99, 'use 5 to 30 degrees');
    this.wanted = celsius;
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.measure(), Number(process.env.MEASURE_MS ?? 1000));
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async measure(): Promise<void> {
    this.celsius += (this.wanted - this.celsius) * 0.15;
    await this.publisher.publish('room/celsius', this.celsius.toFixed(2), { retain: true });
  }
}
