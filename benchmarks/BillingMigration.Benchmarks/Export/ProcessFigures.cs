using System.Diagnostics;
using System.Text.Json;

namespace BillingMigration.Benchmarks.Export;

/// <summary>What a worker process says of itself at its end, as the last line of its output.</summary>
/// <param name="CpuSeconds">User and system time of what was measured.</param>
/// <param name="PeakBytes">Largest resident set since the process began.</param>
internal sealed record ProcessFigures(long Items, double Seconds, double CpuSeconds, long PeakBytes)
{
    public double ItemsPerCpuSecond => Items / CpuSeconds;

    public double PeakMegabytes => PeakBytes / 1e6;

    /// <summary>Figures of this process from its start on, its own start-up and compilation included.</summary>
    public static ProcessFigures OfThisProcess(long items)
    {
        using var process = Process.GetCurrentProcess();
        return new ProcessFigures(items, (DateTime.Now - process.StartTime).TotalSeconds, process.TotalProcessorTime.TotalSeconds, process.PeakWorkingSet64);
    }

    public void Print() => Console.WriteLine(JsonSerializer.Serialize(this));

    public static ProcessFigures Parse(string output) =>
        JsonSerializer.Deserialize<ProcessFigures>(output.TrimEnd().Split('\n')[^1]) ?? throw new JsonException("no figures");
}
