using System.Diagnostics;
using MySqlConnector;

namespace SampleBilling;

/// <summary>What was created: rows of each table in the order customer, billing_account, subscriber, service_agreement, bill, charge.</summary>
public sealed record SampleResult(IReadOnlyList<(string Table, long Rows)> Tables, TimeSpan Duration)
{
    public long Rows => Tables.Sum(t => t.Rows);

    public double RowsPerSecond => Rows / Math.Max(Duration.TotalSeconds, 0.001);
}

/// <summary>The sample billing database on a MySQL or MariaDB server.</summary>
public static class SampleDatabase
{
    /// <summary>The six tables, parents first.</summary>
    public static IReadOnlyList<string> Tables { get; } = ["customer", "billing_account", "subscriber", "service_agreement", "bill", "charge"];

    /// <summary>Rows of one LOAD DATA, which is one transaction.</summary>
    private const int RowsPerLoad = 50_000;

    /// <summary>ER_NOT_ALLOWED_COMMAND, MySQL's ER_CLIENT_LOCAL_FILES_DISABLED and MariaDB's ER_LOAD_INFILE_CAPABILITY_DISABLED.</summary>
    private static readonly int[] LocalLoadRefused = [1148, 3948, 4166];

    /// <summary>The statements of <c>examples/sample/schema.sql</c>.</summary>
    public static string Schema { get; } = ReadSchema();

    /// <summary>Creates the database when it is missing, the six tables, and <paramref name="rows"/> rows in all.</summary>
    /// <param name="connectionString">Names the database; <c>AllowLoadLocalInfile</c> and what else is needed is set here.</param>
    /// <param name="rows">Rows in all six tables together, at least <see cref="SampleData.FewestRows"/>.</param>
    /// <param name="seed">The same rows for the same seed and number of rows.</param>
    /// <param name="replace">Drop the six tables first. Without it the database must not have them.</param>
    /// <param name="largestAccount">Most rows of one account.</param>
    /// <exception cref="SampleException">A table is there already, or the server does not accept LOAD DATA LOCAL.</exception>
    public static async Task<SampleResult> CreateAsync(
        string connectionString, long rows, int seed, bool replace = false, int largestAccount = SamplePlan.LargestEnterprise, CancellationToken cancellationToken = default)
    {
        var started = Stopwatch.GetTimestamp();
        var data = new SampleData(rows, seed, largestAccount);
        var connection = new MySqlConnectionStringBuilder(connectionString)
        {
            AllowLoadLocalInfile = true,
            AllowUserVariables = true,
            DefaultCommandTimeout = 0,
        };
        if (connection.Database.Length == 0)
        {
            throw new SampleException("The connection string names no database: add Database=billing.");
        }

        await CreateTablesAsync(connection, replace, cancellationToken);
        // Charges are more than half of all rows: they go in beside the others.
        var charges = LoadAllAsync(connection, [SampleTables.Charge(data)], cancellationToken);
        var others = LoadAllAsync(
            connection,
            [SampleTables.Customer(data), SampleTables.Account(data), SampleTables.Subscriber(data), SampleTables.Agreement(data), SampleTables.Bill(data)],
            cancellationToken);
        await Task.WhenAll(charges, others);
        return new([.. await others, .. await charges], Stopwatch.GetElapsedTime(started));
    }

    /// <summary>Changes the sample database at full speed until cancelled; see <see cref="SampleWriters"/>.</summary>
    public static Task<WriterCounts> RunWritersAsync(string connectionString, int writers, int seed, CancellationToken cancellationToken) =>
        SampleWriters.RunAsync(connectionString, writers, seed, cancellationToken);

    private static async Task CreateTablesAsync(MySqlConnectionStringBuilder target, bool replace, CancellationToken cancellationToken)
    {
        var server = new MySqlConnectionStringBuilder(target.ConnectionString) { Database = "" };
        await using var connection = new MySqlConnection(server.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        var database = $"`{target.Database.Replace("`", "``", StringComparison.Ordinal)}`";
        await ExecuteAsync(connection, $"CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4", cancellationToken);
        await connection.ChangeDatabaseAsync(target.Database, cancellationToken);

        var present = await PresentTablesAsync(connection, cancellationToken);
        if (present.Count > 0 && !replace)
        {
            throw new SampleException(
                $"Database {target.Database} has the tables {string.Join(", ", present)} already. Choose another --database, or let --replace drop them.");
        }

        if (present.Count > 0)
        {
            await ExecuteAsync(connection, $"SET FOREIGN_KEY_CHECKS = 0; DROP TABLE {string.Join(", ", present)}; SET FOREIGN_KEY_CHECKS = 1", cancellationToken);
        }

        await ExecuteAsync(connection, Schema, cancellationToken);
    }

    private static async Task<List<string>> PresentTablesAsync(MySqlConnection connection, CancellationToken cancellationToken)
    {
        var present = new List<string>();
        await using var command = new MySqlCommand("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (Tables.Contains(reader.GetString(0)))
            {
                present.Add(reader.GetString(0));
            }
        }

        return present;
    }

    private static async Task<List<(string Table, long Rows)>> LoadAllAsync(
        MySqlConnectionStringBuilder target, IReadOnlyList<SampleTable> tables, CancellationToken cancellationToken)
    {
        await Task.Yield();
        // Not pooled: what is switched off here must not come back in another user's hands.
        var unpooled = new MySqlConnectionStringBuilder(target.ConnectionString) { Pooling = false };
        await using var connection = new MySqlConnection(unpooled.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        await ExecuteAsync(
            connection, "SET time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 0, sql_mode = 'STRICT_ALL_TABLES'", cancellationToken);
        var loaded = new List<(string, long)>();
        foreach (var table in tables)
        {
            using var source = table.Open();
            long rows = 0;
            int inserted;
            do
            {
                inserted = await LoadAsync(connection, table, source, cancellationToken);
                rows += inserted;
            }
            while (inserted == RowsPerLoad);
            loaded.Add((table.Name, rows));
        }

        return loaded;
    }

    private static async Task<int> LoadAsync(MySqlConnection connection, SampleTable table, SampleRows source, CancellationToken cancellationToken)
    {
        await using var stream = source.Next(RowsPerLoad);
        var loader = new MySqlBulkLoader(connection)
        {
            TableName = table.Name,
            SourceStream = stream,
            Local = true,
            CharacterSet = "utf8mb4",
            FieldTerminator = "\t",
            LineTerminator = "\n",
            EscapeCharacter = '\\',
            Timeout = 0,
        };
        loader.Columns.AddRange(table.Columns);
        loader.Expressions.AddRange(table.Expressions);
        try
        {
            return await loader.LoadAsync(cancellationToken);
        }
        catch (MySqlException e) when (LocalLoadRefused.Contains(e.Number))
        {
            throw new SampleException(
                "The server does not accept LOAD DATA LOCAL, which fills the tables. Switch it on with SET GLOBAL local_infile = ON, or start the server with --local-infile=ON.", e);
        }
    }

    private static async Task ExecuteAsync(MySqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new MySqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static string ReadSchema()
    {
        using var stream = typeof(SampleDatabase).Assembly.GetManifestResourceStream("schema.sql")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}

/// <summary>The sample database could not be made; the message says what to do.</summary>
public sealed class SampleException : Exception
{
    public SampleException()
    {
    }

    public SampleException(string message)
        : base(message)
    {
    }

    public SampleException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
