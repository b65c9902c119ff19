import { Auth, type Login } from 'nestjs-mqttd';
import type { Devices } from './devices.js';

/** Who it is: asked first of all, before anything of the application is. */
export class DeviceAuth extends Auth {
  constructor(private readonly devices: Devices) {
    super();
  }

  override authenticate({ username = '', password }: Login): boolean {
    return this.devices.isKnown(username, String(password));
  }
}
