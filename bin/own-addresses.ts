import { networkInterfaces } from 'node:os'

/** The addresses under which this machine can be reached. */
export function ownAddresses (): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) => addresses.map(({ address }) => address))
}
