using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Snapshot;
using BillingMigration.Testing;

namespace BillingMigration.Torture;

/// <summary>
/// The process that is killed: one export, as a user's command runs it. It tells its parent how far it is, one line each:
/// <c>started</c>, <c>connected</c>, <c>items N</c>, <c>ended RUNSTATE</c>.
/// </summary>
internal static class ExportWorker
{
    /// <summary>Environment variable of the source's connection string: a command line can be read by everyone.</summary>
    public const string SourceVariable = "TORTURE_SOURCE";

    public static async Task<int> RunAsync(string[] args)
    {
        Say("started");
        if (args is not [var endpoint, var table, var itemsPerSecond] || Environment.GetEnvironmentVariable(SourceVariable) is not { } source)
        {
            Console.Error.WriteLine("export-worker is started by Torture export.");
            return 2;
        }

        await using var migration = SampleMigration.Create(source, new Uri(endpoint));
        migration.Definition = migration.Definition with { Target = migration.Definition.Target with { Table = table } };
        await using var session = await migration.ConnectAsync();
        Say("connected");
        var options = new SnapshotOptions { ItemsPerSecond = double.Parse(itemsPerSecond, CultureInfo.InvariantCulture) };
        var result = await new SnapshotExporter(session, options).RunAsync(new Lines(), CancellationToken.None);
        Say($"ended {result.RunState}");
        return result is { Outcome: SnapshotOutcome.Complete, RunState: SnapshotState.Complete } ? 0 : 1;
    }

    private static void Say(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }

    private sealed class Lines : IProgress<SnapshotProgress>
    {
        public void Report(SnapshotProgress value) => Say(string.Create(CultureInfo.InvariantCulture, $"items {value.Items}"));
    }
}
