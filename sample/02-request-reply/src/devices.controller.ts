import { Controller, Logger } from '@nestjs/common';
import { ConnectedClient, MQTTdPublisher, MQTTdRequestError, OnPublish, type MQTTdClient } from 'nestjs-mqttd';

/** The application asks clients. */
@Controller()
export class DevicesController {
  private readonly logger = new Logger(DevicesController.name);

  constructor(private readonly publisher: MQTTdPublisher) {}

  /** A device says that it is there, and is asked for its temperature. */
  @OnPublish('devices/here')
  async ask(@ConnectedClient() { clientId }: MQTTdClient): Promise<void> {
    try {
      const reply = await this.publisher.request(`devices/${clientId}/temperature`, '', { clientId, timeoutMs: 2000 });
      this.logger.log(`${clientId} says ${reply.payload.toString()}`);
    } catch (error) {
      if (!(error instanceof MQTTdRequestError)) throw error;
      this.logger.warn(`${clientId} does not say (${error.code})`);
    }
  }
}
