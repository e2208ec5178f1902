using BillingMigration.Control;
using BillingMigration.Definition;
using BillingMigration.Snapshot;
using BillingMigration.Testing;
using BillingMigration.Torture;
using BillingMigration.Transfer;
using SampleBilling;

namespace BillingMigration.Tests.Snapshot;

/// <summary>A sample database on a real server, and an initialized migration of it into DynamoDB Local.</summary>
internal sealed class Scenario : IAsyncDisposable
{
    // One report after another, and every fourth is followed by a checkpoint of all that was reported.
    private const int ReportsPerCheckpoint = 4;

    private Scenario(TestDatabase database, SampleMigration migration, Uri endpoint)
    {
        Database = database;
        Migration = migration;
        Endpoint = endpoint;
    }

    public TestDatabase Database { get; }

    public SampleMigration Migration { get; }

    /// <summary>DynamoDB Local itself, whatever proxy the definition goes through.</summary>
    public Uri Endpoint { get; }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="rows">Rows in all six tables.</param>
    public static async Task<Scenario> CreateAsync(TestServers servers, bool mariaDb, long rows) =>
        await CreateAsync(servers, await (await servers.SourceAsync(mariaDb)).CreateDatabaseAsync(), rows);

    /// <summary>The same in a database of the caller, on a server of its own.</summary>
    /// <param name="prepare">Done with the migration before its tables are made.</param>
    public static async Task<Scenario> CreateAsync(TestServers servers, TestDatabase database, long rows, Func<SampleMigration, Task>? prepare = null)
    {
        await SampleDatabase.CreateAsync(database.ConnectionString, rows, 1, cancellationToken: Cancel);
        // Ranges are planned by the server's own estimate of the rows.
        await database.ExecuteAsync($"ANALYZE TABLE {string.Join(", ", SampleDatabase.Tables)}");
        var endpoint = (await servers.DynamoDbAsync()).Endpoint;
        var migration = SampleMigration.Create(database.ConnectionString, endpoint);
        await (prepare?.Invoke(migration) ?? Task.CompletedTask);
        await migration.InitializeAsync();
        return new Scenario(database, migration, endpoint);
    }

    /// <summary>Opens a session, exports, closes the session: what one command does.</summary>
    public async Task<SnapshotResult> ExportAsync(
        SnapshotOptions? options = null,
        Action<SnapshotProgress>? onProgress = null,
        MigrationDefinition? through = null,
        RetryPolicy? retry = null,
        TimeProvider? time = null,
        CancellationToken? cancel = null)
    {
        await using var session = await MigrationSession.ConnectAsync(
            through ?? Migration.Definition, Migration.Credential, SampleMigration.Access, retry ?? new RetryPolicy(), time ?? TimeProvider.System, Cancel);
        return await new SnapshotExporter(session, options ?? new SnapshotOptions()).RunAsync(new OnProgress<SnapshotProgress>(onProgress), cancel ?? Cancel);
    }

    /// <summary>The ranges as the control table has them now; none before the run began.</summary>
    public async Task<IReadOnlyList<SnapshotRange>> RangesAsync()
    {
        var control = new ControlTable(Migration.Client, Migration.Definition.Target.ControlTableName, Migration.Definition.Name, TimeProvider.System);
        return await control.FindSnapshotAsync(Cancel) is { } run ? await control.ListRangesAsync(run.RunId, null, Cancel) : [];
    }

    /// <summary>Begins an export and returns when a checkpoint of it covers some items.</summary>
    public async Task<Task<SnapshotResult>> ExportToCheckpointAsync(SnapshotOptions options, CancellationToken? cancel = null)
    {
        var saved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var left = ReportsPerCheckpoint;
        var export = ExportAsync(
            options,
            progress =>
            {
                if (progress.Items > 0 && left-- == 0)
                {
                    saved.TrySetResult();
                }
            },
            cancel: cancel);
        await Task.WhenAny(saved.Task, export);
        Assert.False(export.IsCompleted, $"The export ended before it had a checkpoint: {export.Exception?.InnerException?.Message}");
        Assert.NotEqual(0, (await RangesAsync()).Sum(r => r.Items));
        return export;
    }

    /// <summary>The table is the source item for item, and the control table says Complete with exact counters.</summary>
    public async Task AssertWholeAsync() => Assert.Empty(await ExportCheck.FindDifferencesAsync(Migration, Database.ConnectionString));

    public async ValueTask DisposeAsync()
    {
        await Migration.DropAsync();
        await Migration.DisposeAsync();
        await Database.DisposeAsync();
    }
}

/// <summary>Calls back at once, on the job's own thread.</summary>
internal sealed class OnProgress<T>(Action<T>? action) : IProgress<T>
{
    public void Report(T value) => action?.Invoke(value);
}

/// <summary>The system's time, except that one timer fires when the test says so: the one of a duration that nothing else uses.</summary>
internal sealed class TimeWithTrigger : TimeProvider
{
    private Action? fire;

    /// <summary>The duration whose end is triggered.</summary>
    public static TimeSpan Triggered { get; } = new(11, 11, 11, 11);

    public void Fire() => fire!();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        // What has passed since the command began is taken off.
        if (dueTime > Triggered || dueTime < Triggered - TimeSpan.FromHours(1))
        {
            return base.CreateTimer(callback, state, dueTime, period);
        }

        fire = () => callback(state);
        return base.CreateTimer(_ => { }, null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
