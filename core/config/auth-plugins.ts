/** How a stored project says, in short, who is let in. */
export type AuthType = 'api_key' | 'oauth' | 'none'

/** The plugin that each stands for. */
export const AUTH_PLUGINS = { api_key: 'api-key', oauth: 'oauth', none: null } as const satisfies Record<AuthType, string | null>

/** The ways to authenticate whose plugins are there. */
export function availableAuthTypes (registry: ReadonlyMap<string, unknown>): AuthType[] {
  return (Object.keys(AUTH_PLUGINS) as AuthType[]).filter((auth) => AUTH_PLUGINS[auth] === null || registry.has(AUTH_PLUGINS[auth]))
}
