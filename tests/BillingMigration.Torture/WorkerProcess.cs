using System.Diagnostics;
using System.Globalization;

namespace BillingMigration.Torture;

/// <summary>One life of the export worker.</summary>
public sealed class WorkerProcess : IDisposable
{
    private readonly Process process;
    private readonly TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task output;
    private readonly Task<string> errors;
    private readonly KillMoment? moment;
    private readonly long goal;
    private readonly long total;
    private readonly long started = Stopwatch.GetTimestamp();

    private WorkerProcess(Process process, KillMoment? moment, long goal, long total)
    {
        this.process = process;
        this.moment = moment;
        this.goal = goal;
        this.total = total;
        output = ReadAsync();
        errors = process.StandardError.ReadToEndAsync();
        if (moment == KillMoment.StartUp)
        {
            reached.TrySetResult();
        }
    }

    /// <summary>What it was doing when it last said so.</summary>
    public KillMoment Phase { get; private set; } = KillMoment.StartUp;

    /// <summary>Items of the run written, by this life and those before; null when it did not come so far.</summary>
    public long? Items { get; private set; }

    /// <summary>From the start of the process until it was connected.</summary>
    public TimeSpan? ConnectedAfter { get; private set; }

    /// <param name="moment">Moment to be killed in; null: it may live.</param>
    /// <param name="goal">Running and finishing: items written before the kill.</param>
    /// <param name="total">Items in all.</param>
    public static WorkerProcess Start(string source, Uri endpoint, string table, double itemsPerSecond, KillMoment? moment, long goal, long total)
    {
        string[] arguments =
        [
            "exec", typeof(WorkerProcess).Assembly.Location, "export-worker", endpoint.ToString(), table, itemsPerSecond.ToString(CultureInfo.InvariantCulture),
        ];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[ExportWorker.SourceVariable] = source;
        return new WorkerProcess(Process.Start(start) ?? throw new InvalidOperationException("dotnet does not start."), moment, goal, total);
    }

    /// <summary>Waits for the moment, and a little longer, and kills. False when the export was complete before.</summary>
    /// <exception cref="InvalidOperationException">It failed by itself.</exception>
    public async Task<bool> KillAsync(TimeSpan after, CancellationToken cancellationToken)
    {
        var exited = process.WaitForExitAsync(cancellationToken);
        if (await Task.WhenAny(reached.Task, exited) != exited)
        {
            await Task.WhenAny(Task.Delay(after, cancellationToken), exited);
        }

        if (!process.HasExited)
        {
            // SIGKILL: the process gets no chance to do anything more.
            process.Kill();
        }

        await EndAsync(cancellationToken);
        return process.ExitCode switch
        {
            128 + 9 => true,
            0 => false,
            _ => throw Failed(await errors),
        };
    }

    public bool HasEnded => process.HasExited;

    /// <summary>Returns when it is in its moment.</summary>
    public Task ReachedAsync(CancellationToken cancellationToken) => reached.Task.WaitAsync(cancellationToken);

    /// <summary>SIGSTOP: the process stands still, with all that it has in its hands, until <see cref="ThawAsync"/>.</summary>
    public Task FreezeAsync(CancellationToken cancellationToken) => SignalAsync("STOP", cancellationToken);

    /// <summary>SIGCONT.</summary>
    public Task ThawAsync(CancellationToken cancellationToken) => SignalAsync("CONT", cancellationToken);

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Exit code, and what it wrote to its standard error.</returns>
    public async Task<(int Code, string Errors)> EndedAsync(CancellationToken cancellationToken)
    {
        await EndAsync(cancellationToken);
        return (process.ExitCode, await errors);
    }

    /// <summary>Lets it live until it ends by itself.</summary>
    /// <exception cref="InvalidOperationException">The export did not complete.</exception>
    public async Task LiveAsync(CancellationToken cancellationToken)
    {
        await EndAsync(cancellationToken);
        if (process.ExitCode != 0)
        {
            throw Failed(await errors);
        }
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        process.Dispose();
    }

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken);
        await output;
    }

    private async Task SignalAsync(string signal, CancellationToken cancellationToken)
    {
        using var kill = Process.Start("kill", ["-s", signal, process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(cancellationToken);
    }

    private InvalidOperationException Failed(string text) => new($"The export worker ended with {process.ExitCode} while {Phase}: {text}");

    private async Task ReadAsync()
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
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
}
