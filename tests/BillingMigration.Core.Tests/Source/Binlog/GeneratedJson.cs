using System.Globalization;
using System.Text;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>JSON documents of every kind of value, small and large enough for both storage formats.</summary>
internal sealed class GeneratedJson(Random random)
{
    private const int MostDepth = 4;

    public string Document() => random.Next(40) == 0 ? Large() : Value(0);

    private string Value(int depth) => random.Next(depth >= MostDepth ? 8 : 12) switch
    {
        0 => "null",
        1 => "true",
        2 => "false",
        3 => random.NextInt64(long.MinValue, long.MaxValue).ToString(CultureInfo.InvariantCulture),
        4 => random.Next(-40000, 70000).ToString(CultureInfo.InvariantCulture),
        5 => Number(),
        6 => Text(random.Next(300) == 0 ? 400 : 12),
        7 => "18446744073709551615",
        8 or 9 => "{" + string.Join(",", Enumerable.Range(0, random.Next(5)).Select(i => $"{Text(6)}: {Value(depth + 1)}")) + "}",
        _ => "[" + string.Join(" ,", Enumerable.Range(0, random.Next(5)).Select(_ => Value(depth + 1))) + "]",
    };

    /// <summary>Beyond 64 KB: offsets of four bytes.</summary>
    private string Large() => "{" + string.Join(",", Enumerable.Range(0, 300).Select(i => $"\"key{i}\": {(i % 3 == 0 ? Text(12) : $"\"{new string('x', 300)}\"")}")) + "}";

    private string Number() => random.Next(4) switch
    {
        0 => (random.Next(-99999, 99999) / 100.0).ToString("F2", CultureInfo.InvariantCulture),
        1 => random.Next(1000).ToString(CultureInfo.InvariantCulture) + "e" + random.Next(-30, 30).ToString(CultureInfo.InvariantCulture),
        2 => "-0.0",
        _ => FiniteDouble(),
    };

    private string FiniteDouble()
    {
        var value = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
        return double.IsFinite(value) ? value.ToString("E16", CultureInfo.InvariantCulture) : "1.5";
    }

    private string Text(int most)
    {
        string[] characters = ["a", "Z", " ", "\\\"", "\\\\", "/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0001", "\\u001f", "\u007f", "é", "€", "中", "😀", "\\u00e9", "'"];
        var text = new StringBuilder("\"");
        for (var i = random.Next(most + 1); i > 0; i--)
        {
            text.Append(characters[random.Next(characters.Length)]);
        }

        return text.Append('"').ToString();
    }
}
