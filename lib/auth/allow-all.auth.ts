import { Auth } from '../broker/auth.js';

/** Everybody may do everything: for a broker that only this machine can reach, or one that says `allowAnonymous`. */
export class AllowAllAuth extends Auth {
  override authenticate(): true {
    return true;
  }
}
