using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Sync;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>
/// The process that is killed: the export as long as it is not complete, then the changes, until it is killed or, when it is the last one, until it has
/// caught up. It connects through the proxies; the last one directly.
/// </summary>
internal static class SyncWorker
{
    /// <summary>Exit code of trouble that passes: a user would run the same command again (EX_TEMPFAIL).</summary>
    public const int TryAgain = 75;

    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            return await WorkAsync(args);
        }
        catch (MigrationException e)
        {
            Console.Error.WriteLine($"{e.ErrorId}: {e}");
            return e.Kind is MigrationErrorKind.Unreachable or MigrationErrorKind.Busy ? TryAgain : 1;
        }
    }

    private static async Task<int> WorkAsync(string[] args)
    {
        if (args is not [var endpoint, var table, var mode] || Environment.GetEnvironmentVariable(ExportWorker.SourceVariable) is not { } source)
        {
            Console.Error.WriteLine("sync-worker is started by Torture sync.");
            return 2;
        }

        await using var migration = TrialMigration.Create(source, new Uri(endpoint));
        migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = table } };
        await using var session = await migration.ConnectAsync();
        Say("connected");
        var exported = await new SnapshotExporter(session, new SnapshotOptions()).RunAsync(new Lines<SnapshotProgress>(p => $"exported {p.Items}"), CancellationToken.None);
        Say($"snapshot {exported.RunState}");
        var last = mode == "last";
        var options = last ? new SyncOptions() : new SyncOptions { Until = null, Follow = true };
        var result = await new ChangeFollower(session, options).RunAsync(
            new Lines<SyncProgress>(p => string.Create(CultureInfo.InvariantCulture, $"transactions {p.Transactions} state {p.State}")), CancellationToken.None);
        Say($"ended {result.State} {result.Position}");
        return result is { Outcome: SyncOutcome.Reached, State: SyncState.Consistent } ? 0 : 1;
    }

    private static void Say(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }

    private sealed class Lines<T>(Func<T, string> line) : IProgress<T>
    {
        public void Report(T value) => Say(line(value));
    }
}
