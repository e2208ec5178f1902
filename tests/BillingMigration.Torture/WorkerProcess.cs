using System.Diagnostics;
using System.Globalization;

namespace BillingMigration.Torture;

public enum WorkerEnd
{
    Killed,

    Complete,

    /// <summary>By a trouble that passes: a user would run the same command again.</summary>
    TryAgain,
}

/// <summary>One life of a worker.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly Process process;
    private readonly Task output;
    private readonly Task<string> errors;

    /// <param name="worker">First argument, <c>export-worker</c>.</param>
    /// <param name="source">Connection string.</param>
    /// <param name="endpoint">Of DynamoDB.</param>
    /// <param name="table">The billing table.</param>
    /// <param name="option">What the work needs besides.</param>
    /// <param name="said">Told each line that it says.</param>
    public WorkerProcess(string worker, string source, Uri endpoint, string table, string option, Action<string>? said = null)
    {
        string[] arguments = ["exec", typeof(WorkerProcess).Assembly.Location, worker, endpoint.ToString(), table, option];
        var start = new ProcessStartInfo("dotnet", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[Worker.SourceVariable] = source;
        process = Process.Start(start) ?? throw new InvalidOperationException("dotnet does not start.");
        output = ReadAsync(said);
        errors = process.StandardError.ReadToEndAsync();
    }

    /// <summary>What it last said.</summary>
    public string LastLine { get; private set; } = "";

    public bool HasEnded => process.HasExited;

    /// <summary>Tells it something. Only those that read their input hear it.</summary>
    public void Tell(string line)
    {
        process.StandardInput.WriteLine(line);
        process.StandardInput.Flush();
    }

    /// <summary>Asks it to come to its end: its input is at its end. Only those that read it do.</summary>
    public void Stop() => process.StandardInput.Close();

    /// <summary>Waits until it has ended, killed or by itself, and all that it said is read.</summary>
    public async Task ExitedAsync(CancellationToken cancellationToken)
    {
        await process.WaitForExitAsync(cancellationToken);
        await output;
    }

    /// <summary>SIGKILL: it gets no chance to do anything more.</summary>
    public void Kill()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }
    }

    /// <summary>SIGSTOP: it stands still, with all that it has in its hands, until <see cref="ThawAsync"/>.</summary>
    public Task FreezeAsync(CancellationToken cancellationToken) => SignalAsync("STOP", cancellationToken);

    /// <summary>SIGCONT.</summary>
    public Task ThawAsync(CancellationToken cancellationToken) => SignalAsync("CONT", cancellationToken);

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>Exit code, and what it wrote to its standard error.</returns>
    public async Task<(int Code, string Errors)> EndedAsync(CancellationToken cancellationToken)
    {
        await ExitedAsync(cancellationToken);
        return (process.ExitCode, await errors);
    }

    /// <summary>Waits for its end.</summary>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public async Task<WorkerEnd> EndAsync(CancellationToken cancellationToken)
    {
        await ExitedAsync(cancellationToken);
        return process.ExitCode switch
        {
            128 + 9 => WorkerEnd.Killed,
            0 => WorkerEnd.Complete,
            Worker.TryAgain => WorkerEnd.TryAgain,
            _ => throw new InvalidOperationException($"A worker ended with {process.ExitCode} after \"{LastLine}\": {await errors}"),
        };
    }

    public void Dispose()
    {
        Kill();
        process.Dispose();
    }

    private async Task SignalAsync(string signal, CancellationToken cancellationToken)
    {
        using var kill = Process.Start("kill", ["-s", signal, process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync(cancellationToken);
    }

    private async Task ReadAsync(Action<string>? said)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            LastLine = line;
            said?.Invoke(line);
        }
    }
}
