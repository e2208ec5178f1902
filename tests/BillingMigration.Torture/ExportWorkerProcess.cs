using System.Diagnostics;
using System.Globalization;

namespace BillingMigration.Torture;

/// <summary>One life of the export worker, and a moment in it.</summary>
public sealed class ExportWorkerProcess : IDisposable
{
    private readonly WorkerProcess process;
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KillMoment? moment;
    private readonly long goal;
    private readonly long total;
    private readonly long started = Stopwatch.GetTimestamp();

    /// <param name="source">Connection string.</param>
    /// <param name="endpoint">Of DynamoDB.</param>
    /// <param name="table">The billing table.</param>
    /// <param name="itemsPerSecond">Limit of the export.</param>
    /// <param name="moment">Moment to be killed in; null: it may live.</param>
    /// <param name="goal">Running and finishing: items written before the kill.</param>
    /// <param name="total">Items in all.</param>
    public ExportWorkerProcess(string source, Uri endpoint, string table, double itemsPerSecond, KillMoment? moment, long goal, long total)
    {
        this.moment = moment;
        this.goal = goal;
        this.total = total;
        if (moment == KillMoment.StartUp)
        {
            reached.TrySetResult();
        }

        process = new WorkerProcess("export-worker", source, endpoint, table, itemsPerSecond.ToString(CultureInfo.InvariantCulture), Read);
    }

    /// <summary>What it was doing when it last said so.</summary>
    public KillMoment Phase { get; private set; } = KillMoment.StartUp;

    /// <summary>Items of the run written, by this life and those before; null when it did not come so far.</summary>
    public long? Items { get; private set; }

    /// <summary>From the start of the process until it was connected.</summary>
    public TimeSpan? ConnectedAfter { get; private set; }

    public bool HasEnded => process.HasEnded;

    /// <summary>Waits for the moment, and a little longer, and kills, unless it has ended before.</summary>
    /// <exception cref="InvalidOperationException">It failed by itself.</exception>
    public async Task<WorkerEnd> KillAsync(TimeSpan after, CancellationToken cancellationToken)
    {
        var exited = process.ExitedAsync(cancellationToken);
        if (await Task.WhenAny(reached.Task, exited) != exited)
        {
            await Task.WhenAny(Task.Delay(after, cancellationToken), exited);
        }

        process.Kill();
        return await process.EndAsync(cancellationToken);
    }

    /// <summary>Returns when it is in its moment; false: it has ended before.</summary>
    /// <exception cref="InvalidOperationException">It failed by itself.</exception>
    public async Task<bool> ReachedAsync(CancellationToken cancellationToken)
    {
        var exited = process.ExitedAsync(cancellationToken);
        if (await Task.WhenAny(reached.Task, exited) == exited)
        {
            await process.EndAsync(cancellationToken);
        }

        return reached.Task.IsCompleted;
    }

    /// <summary>Lets it live until it ends by itself.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public Task<WorkerEnd> LiveAsync(CancellationToken cancellationToken) => process.EndAsync(cancellationToken);

    /// <inheritdoc cref="WorkerProcess.FreezeAsync"/>
    public Task FreezeAsync(CancellationToken cancellationToken) => process.FreezeAsync(cancellationToken);

    /// <inheritdoc cref="WorkerProcess.ThawAsync"/>
    public Task ThawAsync(CancellationToken cancellationToken) => process.ThawAsync(cancellationToken);

    /// <inheritdoc cref="WorkerProcess.EndedAsync"/>
    public Task<(int Code, string Errors)> EndedAsync(CancellationToken cancellationToken) => process.EndedAsync(cancellationToken);

    public void Dispose() => process.Dispose();

    private void Read(string line)
    {
        if (line == "connected")
        {
            Phase = KillMoment.Planning;
            ConnectedAfter = Stopwatch.GetElapsedTime(started);
        }
        else if (line.StartsWith("items ", StringComparison.Ordinal))
        {
            Items = long.Parse(line.AsSpan(6), CultureInfo.InvariantCulture);
            Phase = Items >= total ? KillMoment.Finishing : KillMoment.Running;
        }

        if (Phase >= moment && (moment == KillMoment.Planning || Items >= goal))
        {
            reached.TrySetResult();
        }
    }
}
