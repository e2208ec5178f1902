using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;

namespace BillingMigration.PowerShell;

/// <summary>The open sessions: which one is each runspace's default, which are closed, and which secrets each was opened with.</summary>
internal static class Sessions
{
    private static readonly ConditionalWeakTable<Runspace, MigrationSession> Defaults = [];
    private static readonly ConditionalWeakTable<MigrationSession, Facts> Known = [];

    /// <summary>The session that cmdlets use without <c>-Migration</c>; of the runspace of this thread.</summary>
    public static MigrationSession? Default =>
        Runspace.DefaultRunspace is { } runspace && Defaults.TryGetValue(runspace, out var session) ? session : null;

    /// <summary>Makes a new session the default of this runspace.</summary>
    public static void Add(MigrationSession session, IReadOnlyList<string> secrets)
    {
        Known.AddOrUpdate(session, new Facts(secrets));
        if (Runspace.DefaultRunspace is { } runspace)
        {
            Defaults.AddOrUpdate(runspace, session);
        }
    }

    /// <summary>Marks a session closed and no longer the default; the caller disposes it.</summary>
    public static void Close(MigrationSession session)
    {
        Known.GetValue(session, _ => new Facts([])).Closed = true;
        Task.Run(async () => await SessionStores.CloseAsync(session)).GetAwaiter().GetResult();
        if (ReferenceEquals(Default, session))
        {
            Defaults.Remove(Runspace.DefaultRunspace);
        }
    }

    public static bool IsClosed(MigrationSession session) => Known.TryGetValue(session, out var facts) && facts.Closed;

    public static IReadOnlyList<string> SecretsOf(MigrationSession session) => Known.TryGetValue(session, out var facts) ? facts.Secrets : [];

    private sealed class Facts(IReadOnlyList<string> secrets)
    {
        public IReadOnlyList<string> Secrets { get; } = secrets;

        public bool Closed { get; set; }
    }
}

/// <summary>Remove-Module closes the default session of the runspace.</summary>
public sealed class ModuleCleanup : IModuleAssemblyCleanup
{
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        if (Sessions.Default is { } session)
        {
            Sessions.Close(session);
            Task.Run(async () => await session.DisposeAsync()).GetAwaiter().GetResult();
        }
    }
}
