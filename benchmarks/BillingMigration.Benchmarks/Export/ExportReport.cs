using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace BillingMigration.Benchmarks.Export;

/// <summary>Prints each measurement as it is made, and in the end the figures with their bars; writes the same as JSON.</summary>
internal sealed class ExportReport
{
    private const double LeastRateRatio = 0.85;
    private const double LeastItemsPerCpuSecond = 80_000;
    private const double MostPeakMb = 300;
    private const double MostPeakRatio = 1.25;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly DateTimeOffset started = DateTimeOffset.UtcNow;
    private readonly JsonArray rows = [];
    private readonly JsonArray notes = [];
    private double oursPerSecond;
    private double barePerSecond;

    public ExportReport() => Note($"load average at the start: {Load()}");

    public double ItemsPerCpuSecond { get; set; }

    public double SdkItemsPerCpuSecond { get; set; }

    public double? PeerItemsPerCpuSecond { get; set; }

    public double PeakMbSmall { get; set; }

    public double PeakMbLarge { get; set; }

    private double RateRatio => oursPerSecond / barePerSecond;

    private double PeakRatio => Math.Max(PeakMbSmall, PeakMbLarge) / Math.Min(PeakMbSmall, PeakMbLarge);

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    public void SetRates(double ours, double bare) => (oursPerSecond, barePerSecond) = (ours, bare);

    public void Note(string text)
    {
        Console.WriteLine(text);
        notes.Add((JsonNode)text);
    }

    public void Add(string what, ProcessFigures figures) => Add(what, figures.Items, figures.Seconds, figures.CpuSeconds, figures.PeakMegabytes);

    public void Add(string what, long items, double seconds, double? cpuSeconds, double? peakMb)
    {
        var cpu = cpuSeconds is { } c ? $", {items / c:N0} items per CPU-second" : "";
        var peak = peakMb is { } p ? $", peak {p:N0} MB" : "";
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what}: {items:N0} items, {items / seconds:N0} items/s") + cpu + peak);
        rows.Add(new JsonObject
        {
            ["what"] = what,
            ["items"] = items,
            ["seconds"] = Math.Round(seconds, 3),
            ["items_per_second"] = Math.Round(items / seconds),
            ["cpu_seconds"] = cpuSeconds is { } s ? Math.Round(s, 3) : null,
            ["items_per_cpu_second"] = cpuSeconds is { } t ? Math.Round(items / t) : null,
            ["peak_mb"] = peakMb is { } m ? Math.Round(m, 1) : null,
        });
    }

    /// <summary>Prints the figures and writes the file.</summary>
    /// <returns>True when every bar is held.</returns>
    public bool Finish(string path)
    {
        Note($"load average at the end: {Load()}");
        Console.WriteLine();
        var held = Bar("rate_ratio", RateRatio, "0.00", $"at least {LeastRateRatio:0.00}", RateRatio >= LeastRateRatio);
        held &= Bar("items_per_cpu_second", ItemsPerCpuSecond, "N0", $"at least {LeastItemsPerCpuSecond:N0}", ItemsPerCpuSecond >= LeastItemsPerCpuSecond);
        Bar("peer_items_per_cpu_second", PeerItemsPerCpuSecond, "N0", "to compare", true);
        Bar("sdk_items_per_cpu_second", SdkItemsPerCpuSecond, "N0", "to compare", true);
        held &= Bar("peak_mb_small", PeakMbSmall, "N0", $"under {MostPeakMb:N0}", PeakMbSmall < MostPeakMb);
        held &= Bar("peak_mb_large", PeakMbLarge, "N0", $"under {MostPeakMb:N0}, within {MostPeakRatio} of small", PeakMbLarge < MostPeakMb && PeakRatio <= MostPeakRatio);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, ToJson().ToJsonString(Indented) + "\n");
        Console.WriteLine($"Written to {path}");
        return held;
    }

    private static bool Bar(string key, double? value, string format, string bar, bool held)
    {
        var text = value?.ToString(format, CultureInfo.InvariantCulture) ?? "null";
        Console.WriteLine($"{key,-26} {text,10}   {bar}{(held ? "" : ": MISSED")}");
        return held;
    }

    private JsonObject ToJson() => new()
    {
        ["rate_ratio"] = Math.Round(RateRatio, 3),
        ["items_per_cpu_second"] = Math.Round(ItemsPerCpuSecond),
        ["peer_items_per_cpu_second"] = PeerItemsPerCpuSecond is { } peer ? Math.Round(peer) : null,
        ["sdk_items_per_cpu_second"] = Math.Round(SdkItemsPerCpuSecond),
        ["peak_mb_small"] = Math.Round(PeakMbSmall, 1),
        ["peak_mb_large"] = Math.Round(PeakMbLarge, 1),
        ["export_items_per_second"] = Math.Round(oursPerSecond),
        ["bare_items_per_second"] = Math.Round(barePerSecond),
        ["command"] = "./build.sh bench export",
        ["date"] = started.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        ["duration_seconds"] = Math.Round((DateTimeOffset.UtcNow - started).TotalSeconds),
        ["machine"] = Machine(),
        ["notes"] = notes,
        ["rows"] = rows,
    };

    public static JsonObject Machine() => new()
    {
        ["cores"] = Environment.ProcessorCount,
        ["processor"] = Processor(),
        ["memory_gb"] = Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9, 1),
        ["system"] = System.Runtime.InteropServices.RuntimeInformation.OSDescription,
        ["runtime"] = System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription,
    };

    public static string Load() => File.Exists("/proc/loadavg") ? string.Join(' ', File.ReadAllText("/proc/loadavg").Split(' ').Take(3)) : "unknown";

    private static string Processor()
    {
        const string Field = "model name";
        var line = File.Exists("/proc/cpuinfo") ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith(Field, StringComparison.Ordinal)) : null;
        return line is null ? System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
