using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using BillingMigration.Benchmarks.Export;

namespace BillingMigration.Benchmarks.Sync;

/// <summary>Prints each measurement as it is made, and in the end the figures with their bars; writes the same as JSON.</summary>
internal sealed class SyncReport
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly DateTimeOffset started = DateTimeOffset.UtcNow;
    private readonly JsonArray notes = [];
    private readonly List<(string Key, double Value, string Bar, bool Held)> figures = [];

    private readonly string command;

    public SyncReport(string command)
    {
        this.command = command;
        Note($"load average at the start: {ExportReport.Load()}");
    }

    public static double Percentile(List<double> sorted, double part) => sorted[(int)Math.Min(sorted.Count - 1, Math.Ceiling(sorted.Count * part) - 1)];

    public void Note(string text)
    {
        Console.WriteLine(text);
        notes.Add((JsonNode)text.Trim());
    }

    public void Set(string key, double value, string bar, bool held) => figures.Add((key, value, bar, held));

    /// <summary>Prints the figures and writes the file.</summary>
    /// <returns>True when every bar is held.</returns>
    public bool Finish(string path)
    {
        Note($"load average at the end: {ExportReport.Load()}");
        Console.WriteLine();
        var json = new JsonObject();
        foreach (var (key, value, bar, held) in figures)
        {
            Console.WriteLine($"{key,-26} {value.ToString(value < 10 ? "0.00" : "N0", CultureInfo.InvariantCulture),10}   {bar}{(held ? "" : ": MISSED")}");
            json[key] = Math.Round(value, 3);
        }

        json["command"] = command;
        json["date"] = started.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        json["duration_seconds"] = Math.Round((DateTimeOffset.UtcNow - started).TotalSeconds);
        json["machine"] = ExportReport.Machine();
        json["notes"] = notes;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, json.ToJsonString(Indented) + "\n");
        Console.WriteLine($"Written to {path}");
        return figures.TrueForAll(f => f.Held);
    }
}
