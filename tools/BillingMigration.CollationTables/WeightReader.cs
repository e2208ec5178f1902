using System.Globalization;
using System.Text;
using MySqlConnector;

namespace BillingMigration.CollationTables;

/// <summary>Asks a server for the weights of code points under its collations.</summary>
internal sealed class WeightReader : IAsyncDisposable
{
    private const int MostPoint = 0x10FFFF;

    /// <summary>Code points up to here are tried two by two. Later ones are the letters of scripts with too many of them.</summary>
    private const int MostPaired = 0x1FFF;

    /// <summary>The same for collations of versions of Unicode whose contractions the servers did not take over.</summary>
    private const int MostPairedOfOld = 0x52F;

    private static readonly string[] SingleByte =
        ["latin1", "latin2", "latin5", "latin7", "ascii", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "koi8r", "koi8u", "greek", "hebrew", "macce", "macroman", "dec8", "hp8", "keybcs2", "geostd8", "armscii8", "swe7"];

    private readonly MySqlConnection connection;
    private readonly Dictionary<string, CollationTable> known = [];
    private readonly Dictionary<string, int[][]> contractions = [];
    private bool isMariaDb;

    private WeightReader(MySqlConnection connection) => this.connection = connection;

    public static async Task<WeightReader> OpenAsync(string address)
    {
        var parts = address.Split(':');
        var connection = new MySqlConnection($"Server={parts[0]};Port={parts[1]};User ID=root;AllowPublicKeyRetrieval=true;SslMode=None;Default Command Timeout=900");
        await connection.OpenAsync();
        var reader = new WeightReader(connection);
        reader.isMariaDb = (await reader.RowsAsync("SELECT VERSION()", r => r.GetString(0))).Single().Contains("MariaDB", StringComparison.Ordinal);
        await reader.RunAsync($"""
            DROP DATABASE IF EXISTS collation_tables; CREATE DATABASE collation_tables; USE collation_tables;
            CREATE TABLE digit (i INT PRIMARY KEY); INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9),(10),(11),(12),(13),(14),(15);
            CREATE TABLE point (n INT PRIMARY KEY, t VARCHAR(1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL);
            INSERT INTO point SELECT n, CONVERT(CHAR(n USING utf32) USING utf8mb4) FROM
              (SELECT a.i*1048576+b.i*65536+c.i*4096+d.i*256+e.i*16+f.i n FROM digit a, digit b, digit c, digit d, digit e, digit f WHERE a.i < 2) x
              WHERE n <= {MostPoint} AND n NOT BETWEEN 0xD800 AND 0xDFFF ORDER BY n;
            """);
        return reader;
    }

    /// <summary>Those that are shipped.</summary>
    public async Task<IReadOnlyList<Collation>> CollationsAsync()
    {
        var pads = isMariaDb ? "FULL_COLLATION_NAME NOT LIKE '%nopad%'" : "PAD_ATTRIBUTE = 'PAD SPACE'";
        var from = isMariaDb ? "COLLATION_CHARACTER_SET_APPLICABILITY" : "COLLATIONS";
        var name = isMariaDb ? "FULL_COLLATION_NAME" : "COLLATION_NAME";
        var all = await RowsAsync($"SELECT {name}, CHARACTER_SET_NAME, {pads} FROM information_schema.{from} WHERE CHARACTER_SET_NAME IS NOT NULL", r => new Collation(r.GetString(0), r.GetString(1), r.GetInt32(2) != 0));
        return [.. all.Where(IsWanted).OrderBy(c => c.CharacterSet == "utf8mb4" ? 0 : 1).ThenBy(c => c.Name.Length)];
    }

    public async Task<CollationTable> ReadAsync(Collation collation)
    {
        if (collation.Name.EndsWith("_bin", StringComparison.Ordinal))
        {
            return new CollationTable(collation.Name, collation.Pads, [], []);
        }

        // Blanks at the end are the only difference.
        var model = collation.Name.Replace("_nopad", "", StringComparison.Ordinal);
        if (!known.TryGetValue(model, out var table))
        {
            table = await ReadAsync(model, collation.CharacterSet);
            known.Add(model, table);
        }

        return table with { Name = collation.Name, Pads = collation.Pads };
    }

    public async ValueTask DisposeAsync()
    {
        await RunAsync("DROP DATABASE collation_tables");
        await connection.DisposeAsync();
    }

    private static bool IsWanted(Collation collation)
    {
        var name = collation.Name;
        if (SingleByte.Contains(collation.CharacterSet))
        {
            // These compare in several passes, with rules of their own.
            return !name.EndsWith("_czech_cs", StringComparison.Ordinal);
        }

        return collation.CharacterSet is "utf8mb4" or "utf8mb3"
            && name[(name.IndexOf('_', StringComparison.Ordinal) + 1)..].Replace("nopad_", "", StringComparison.Ordinal).Replace("_nopad", "", StringComparison.Ordinal)
                is "bin" or "general_ci" or "unicode_ci" or "unicode_520_ci" or "general_mysql500_ci" or "tolower_ci"
                or "0900_ai_ci" or "0900_as_ci" or "0900_as_cs" or "0900_bin" or "uca1400_ai_ci" or "uca1400_as_ci" or "uca1400_as_cs";
    }

    private async Task<CollationTable> ReadAsync(string name, string characterSet)
    {
        var isUnicode = characterSet is "utf8mb4" or "utf8mb3";
        var weights = new SortedDictionary<int, Weight>();
        var from = isUnicode
            ? $"(SELECT n, CONVERT(t USING {characterSet}) t FROM point{(characterSet == "utf8mb3" ? " WHERE n < 65536" : "")}) p"
            : $"(SELECT CAST(CONV(HEX(CONVERT(CONVERT(CHAR(n USING {characterSet}) USING utf8mb4) USING utf32)), 16, 10) AS SIGNED) n, CHAR(n USING {characterSet}) t FROM point WHERE n < 256) p";
        foreach (var (point, weight) in await RowsAsync($"SELECT n, {Weights("t", name)} FROM {from}", r => (r.IsDBNull(0) ? -1 : r.GetInt32(0), r.IsDBNull(0) ? Weight.None : WeightOf(name, isUnicode, r, 1))))
        {
            // A byte may stand for no character.
            if (point >= 0)
            {
                weights.TryAdd(point, weight);
            }
        }

        var classes = new WeightClasses(weights);
        var map = new SortedDictionary<int, int[]>();
        foreach (var (point, weight) in weights)
        {
            var text = classes.TextOf(weight)!;
            if (text is not [var only] || only != point)
            {
                map.Add(point, text);
            }
        }

        var pairs = new List<(int[], int[])>();
        foreach (var points in await ContractionsAsync(name, characterSet))
        {
            var text = string.Concat(points.Select(char.ConvertFromUtf32));
            var weight = (await RowsAsync($"SELECT {Weights($"CONVERT(_utf8mb4 X'{Convert.ToHexString(Encoding.UTF8.GetBytes(text))}' USING {characterSet})", name)}", r => WeightOf(name, isUnicode, r, 0))).Single();
            pairs.Add((points, classes.TextOf(weight) ?? throw new InvalidOperationException($"{name}: the contraction {text} is like no other text.")));
        }

        return new CollationTable(name, true, map, pairs);
    }

    /// <summary>Texts of two or three code points whose weight is not theirs one after the other. Accents and case do not make them.</summary>
    private async Task<int[][]> ContractionsAsync(string name, string characterSet)
    {
        var simple = name.Replace("_as_ci", "_ai_ci", StringComparison.Ordinal).Replace("_as_cs", "_ai_ci", StringComparison.Ordinal);
        var family = simple.Replace("utf8mb3", "utf8mb4", StringComparison.Ordinal);
        if (contractions.TryGetValue(family, out var found))
        {
            return found;
        }

        var most = simple.Contains("0900", StringComparison.Ordinal) || simple.Contains("uca1400", StringComparison.Ordinal) ? MostPaired : MostPairedOfOld;
        var of = characterSet is "utf8mb4" or "utf8mb3" ? $"n <= {most}" : "n < 256";
        var letter = characterSet is "utf8mb4" or "utf8mb3" ? $"CONVERT(t USING {characterSet})" : $"CHAR(n USING {characterSet})";
        await RunAsync($"""
            DROP TABLE IF EXISTS letter; CREATE TABLE letter (n INT PRIMARY KEY, t VARCHAR(1) CHARACTER SET {characterSet} NOT NULL, w VARBINARY(200));
            INSERT IGNORE INTO letter SELECT n, {letter}, WEIGHT_STRING({letter} COLLATE {simple}) FROM point WHERE {of} AND HEX(WEIGHT_STRING({letter} COLLATE {simple})) NOT LIKE 'FBC%' AND n <> 0;
            """);
        found = [.. await RowsAsync(
            $"SELECT CONV(HEX(CONVERT(a.t USING utf32)), 16, 10), CONV(HEX(CONVERT(b.t USING utf32)), 16, 10) FROM letter a, letter b WHERE LENGTH(a.t) > 0 AND LENGTH(b.t) > 0 AND WEIGHT_STRING(CONCAT(a.t, b.t) COLLATE {simple}) <> CONCAT(a.w, b.w)",
            r => new[] { int.Parse(r.GetString(0), CultureInfo.InvariantCulture), int.Parse(r.GetString(1), CultureInfo.InvariantCulture) })];
        contractions.Add(family, found);
        return found;
    }

    /// <summary>MariaDB writes levels one after the other, and shows each alone; MySQL puts a zero between them.</summary>
    private string Weights(string text, string collation) => isMariaDb && HasLevels(collation)
        ? string.Join(", ", Enumerable.Range(1, collation.EndsWith("_as_cs", StringComparison.Ordinal) ? 3 : 2).Select(l => $"WEIGHT_STRING({text} COLLATE {collation} LEVEL {l})"))
        : $"WEIGHT_STRING({text} COLLATE {collation})";

    private static bool HasLevels(string collation) => collation.Contains("_as_c", StringComparison.Ordinal);

    private Weight WeightOf(string collation, bool isWide, MySqlDataReader row, int at)
    {
        static byte[] Bytes(MySqlDataReader row, int at) => (byte[])row.GetValue(at);
        if (!HasLevels(collation))
        {
            return new Weight(Units(Bytes(row, at), isWide), "", "");
        }

        var levels = isMariaDb
            ? [.. Enumerable.Range(at, row.FieldCount - at).Select(i => Units(Bytes(row, i), true))]
            : Units(Bytes(row, at), true).Split('\0');
        return new Weight(levels[0], levels[1], levels.Length > 2 ? levels[2] : "");
    }

    private static string Units(byte[] weight, bool isWide)
    {
        var units = new StringBuilder();
        for (var i = 0; i < weight.Length; i += isWide ? 2 : 1)
        {
            units.Append(isWide ? (char)((weight[i] << 8) | weight[i + 1]) : (char)weight[i]);
        }

        return units.ToString();
    }

    private async Task RunAsync(string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private async Task<List<T>> RowsAsync<T>(string sql, Func<MySqlDataReader, T> read)
    {
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
        {
            rows.Add(read(reader));
        }

        return rows;
    }
}
