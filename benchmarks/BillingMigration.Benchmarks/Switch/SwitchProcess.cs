using System.Diagnostics;
using System.Globalization;
using BillingMigration.Benchmarks.Export;
using BillingMigration.Control;
using BillingMigration.Store;
using BillingMigration.Testing;

namespace BillingMigration.Benchmarks.Switch;

/// <summary>A switch as a runbook makes it: by a process that has just been started, and that does nothing else.</summary>
/// <param name="Began">When it began; points in time are those of the machine's monotonic clock.</param>
/// <param name="Draining">When calls began to wait.</param>
/// <param name="Flipped">When they went to the other side.</param>
/// <param name="Stall">How long calls waited, as the switch measured it.</param>
/// <param name="Took">The whole of it.</param>
/// <param name="Steps">Names and milliseconds.</param>
internal sealed record SwitchProcess(long Began, long Draining, long Flipped, TimeSpan Stall, TimeSpan Took, string Steps)
{
    private const char Separator = '\t';

    /// <summary>Runs it. Elsewhere it has a machine of its own; here it gets what the application leaves of this one.</summary>
    public static async Task<SwitchProcess> RunAsync(SampleMigration migration, string source, RouteState to, CancellationToken cancellationToken)
    {
        var program = ChildProcess.ThisProgram("switch-run", source, migration.Definition.Target.EndpointUrl!.ToString(), migration.Table, to.ToString());
        var start = OperatingSystem.IsLinux() ? new ProcessStartInfo("nice", ["-n", "19", program.FileName, .. program.ArgumentList]) { RedirectStandardOutput = true } : program;
        var parts = (await ChildProcess.RunAsync(start, cancellationToken)).TrimEnd('\n').Split(Separator);
        return new SwitchProcess(Number(parts[0]), Number(parts[1]), Number(parts[2]), new TimeSpan(Number(parts[3])), new TimeSpan(Number(parts[4])), parts[5]);
    }

    /// <summary>The process itself.</summary>
    public static async Task RunAsync(SampleMigration migration, RouteState to, CancellationToken cancellationToken)
    {
        await using var session = await migration.ConnectAsync();
        var began = Stopwatch.GetTimestamp();
        long draining = 0, flipped = 0;
        var options = new SwitchOptions
        {
            To = to,
            Reason = "measured",
            OnState = (route, _) =>
            {
                draining = route.State == RouteState.Draining ? Stopwatch.GetTimestamp() : draining;
                flipped = route.State == to ? Stopwatch.GetTimestamp() : flipped;
                return Task.CompletedTask;
            },
        };
        var result = await new BackendSwitch(session, options).RunAsync(new Progress<SwitchProgress>(), cancellationToken);
        var steps = string.Join(", ", result.Steps.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Name} {s.Took.TotalMilliseconds:0}")));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{began}{Separator}{draining}{Separator}{flipped}{Separator}{result.Stall?.Ticks ?? 0}{Separator}{result.Duration.Ticks}{Separator}{steps}"));
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
