import { Router } from 'nestjs-mqttd';

/** Never ready, for a reason of its own. */
export class UnreadyRouter extends Router {
  override get isReady(): boolean {
    return false;
  }

  override publish(): boolean {
    return false;
  }
}
