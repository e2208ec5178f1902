using System.Diagnostics;

namespace BillingMigration.Benchmarks.Export;

/// <summary>This program, or another, as a process of its own.</summary>
internal static class ChildProcess
{
    /// <summary>A command of this program, for example <c>export-worker</c>, in the runtime's usual settings.</summary>
    public static ProcessStartInfo ThisProgram(params ReadOnlySpan<string> arguments) =>
        new(Environment.ProcessPath!, [.. Host(), .. arguments]) { RedirectStandardOutput = true };

    /// <summary>Runs a process to its end.</summary>
    /// <returns>Its output.</returns>
    public static async Task<string> RunAsync(ProcessStartInfo start, CancellationToken cancellationToken)
    {
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} does not start.");
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0 ? output : throw new InvalidOperationException($"'{start.FileName} {string.Join(' ', start.ArgumentList.Take(2))}' ended with {process.ExitCode}.");
        }
        finally
        {
            End(process);
        }
    }

    public static void End(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }
    }

    // Started as "dotnet X.dll", the process is the host, not this program.
    private static string[] Host() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
}
