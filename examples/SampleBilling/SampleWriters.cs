using MySqlConnector;

namespace SampleBilling;

/// <summary>What the writers committed. <see cref="Retries"/>: transactions that the server refused (deadlock, lock wait, a parent that was gone) and that left nothing.</summary>
public sealed record WriterCounts(long Transactions, long Inserts, long Updates, long Deletes, long Retries)
{
    public static WriterCounts operator +(WriterCounts a, WriterCounts b) => new(
        a.Transactions + b.Transactions, a.Inserts + b.Inserts, a.Updates + b.Updates, a.Deletes + b.Deletes, a.Retries + b.Retries);

    public static WriterCounts Add(WriterCounts left, WriterCounts right) => left + right;
}

/// <summary>
/// Applications at work: each writer commits small transactions of random inserts, updates (balance, status, a charge that gets its bill, a
/// subscriber that moves to another account with its agreements) and deletes, on rows that other writers change too.
/// </summary>
internal sealed class SampleWriters
{
    /// <summary>
    /// Deadlock, lock wait, duplicate number, a parent or child in the way. MariaDB also says 1020 (with innodb_snapshot_isolation: the row changed
    /// since the snapshot) and 1467 (a deadlock on the lock that gives out AUTO_INCREMENT values).
    /// </summary>
    private static readonly HashSet<int> Refusals = [1213, 1205, 1062, 1216, 1217, 1451, 1452, 1020, 1467];

    private static readonly (string Table, string Id)[] Ids =
    [
        ("customer", "customer_id"), ("billing_account", "account_id"), ("subscriber", "subscriber_id"),
        ("service_agreement", "agreement_id"), ("bill", "bill_id"), ("charge", "charge_id"),
    ];

    private readonly MySqlConnection _connection;
    private readonly Random _random;
    private readonly Dictionary<string, long> _most = [];
    private WriterCounts _committed = new(0, 0, 0, 0, 0);
    private WriterCounts _pending = new(0, 0, 0, 0, 0);

    private SampleWriters(MySqlConnection connection, int seed)
    {
        _connection = connection;
        _random = new Random(seed);
    }

    public static async Task<WriterCounts> RunAsync(string connectionString, int writers, int seed, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(writers, 1);
        var unpooled = new MySqlConnectionStringBuilder(connectionString) { Pooling = false, IgnoreCommandTransaction = true }.ConnectionString;
        var all = await Task.WhenAll(Enumerable.Range(0, writers).Select(i => Task.Run(() => RunOneAsync(unpooled, unchecked(seed * 1_000_003 + i), cancellationToken), CancellationToken.None)));
        return all.Aggregate((a, b) => a + b);
    }

    // Cancelled between transactions only: what is counted is what was committed.
    private static async Task<WriterCounts> RunOneAsync(string connectionString, int seed, CancellationToken cancellationToken)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync(CancellationToken.None);
        var writer = new SampleWriters(connection, seed);
        await writer.ReadHighestIdsAsync();
        while (!cancellationToken.IsCancellationRequested)
        {
            await writer.TransactAsync();
        }

        return writer._committed;
    }

    private async Task ReadHighestIdsAsync()
    {
        await ExecuteAsync("SET time_zone = '+00:00'");
        foreach (var (table, id) in Ids)
        {
            await using var command = new MySqlCommand($"SELECT COALESCE(MAX({id}), 0) FROM {table}", _connection);
            _most[table] = Math.Max(1, Convert.ToInt64(await command.ExecuteScalarAsync(), System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    private async Task TransactAsync()
    {
        _pending = new(1, 0, 0, 0, 0);
        try
        {
            await using var transaction = await _connection.BeginTransactionAsync();
            for (var n = _random.Next(1, 5); n > 0; n--)
            {
                await ChangeAsync();
            }

            await transaction.CommitAsync();
            _committed += _pending;
        }
        catch (MySqlException e) when (Refusals.Contains(e.Number))
        {
            _committed += new WriterCounts(0, 0, 0, 0, 1);
        }
    }

    private Task ChangeAsync() => _random.Next(100) switch
    {
        < 30 => InsertChargeAsync(),
        < 34 => InsertBillAsync(),
        < 37 => InsertSubscriberAsync(),
        < 38 => InsertAccountAsync(),
        < 55 => UpdateAsync("UPDATE billing_account SET balance = balance + @amount, updated_at = NOW(6) WHERE account_id = @id", "billing_account"),
        < 60 => UpdateAsync("UPDATE bill SET status = 'PAID', amount_paid = total, paid_at = UTC_TIMESTAMP(6) WHERE bill_id = @id AND status IN ('ISSUED', 'OVERDUE')", "bill"),
        < 64 => UpdateAsync("UPDATE bill SET status = 'OVERDUE' WHERE bill_id = @id AND status = 'ISSUED'", "bill"),
        < 74 => BillChargesAsync(),
        < 80 => UpdateAsync("UPDATE subscriber SET status = IF(status = 'ACTIVE', 'SUSPENDED', 'ACTIVE'), display_name = CONCAT('名前 ', @amount) WHERE subscriber_id = @id", "subscriber"),
        < 83 => MoveSubscriberAsync(),
        < 87 => UpdateAsync("UPDATE customer SET notes = IF(notes IS NULL, '', NULL), address = JSON_SET(address, '$.zip', CAST(@id AS CHAR)) WHERE customer_id = @id", "customer"),
        < 90 => UpdateAsync("UPDATE service_agreement SET monthly_fee = monthly_fee + 1, discount_percent = NULL WHERE agreement_id = @id", "service_agreement"),
        < 97 => DeleteAsync("DELETE FROM charge WHERE charge_id = @id", "charge"),
        < 98 => DeleteAsync("DELETE FROM service_agreement WHERE agreement_id = @id", "service_agreement"),
        < 99 => DeleteAsync("DELETE FROM bill WHERE bill_id = @id", "bill"),
        _ => DeleteAsync("DELETE FROM subscriber WHERE subscriber_id = @id", "subscriber"),
    };

    private async Task InsertChargeAsync()
    {
        var inserted = await ExecuteAsync(
            """
            INSERT INTO charge (account_id, subscriber_id, charge_type, description, quantity, amount, tax_amount, charged_at)
            SELECT account_id, subscriber_id, 'USAGE', 'written live ✎', 1.5, @amount, ROUND(@amount * 0.19, 4), UTC_TIMESTAMP(6) FROM subscriber WHERE subscriber_id = @id
            """,
            ("@id", Some("subscriber")), ("@amount", Amount()));
        Inserted(inserted, "charge");
    }

    private async Task InsertBillAsync()
    {
        var inserted = await ExecuteAsync(
            """
            INSERT INTO bill (account_id, bill_number, status, period_start, period_end, bill_date, due_date, subtotal, tax_amount, total)
            SELECT account_id, @number, 'ISSUED', '2025-12-01', '2025-12-31', '2026-01-02', '2026-01-16', 100.00, 19.00, 119.00 FROM billing_account WHERE account_id = @id
            """,
            ("@id", Some("billing_account")), ("@number", Number("W")));
        Inserted(inserted, "bill");
    }

    private async Task InsertSubscriberAsync()
    {
        var inserted = await ExecuteAsync(
            "INSERT INTO subscriber (account_id, phone_number, display_name, activated_at) SELECT account_id, @number, NULL, UTC_TIMESTAMP(6) FROM billing_account WHERE account_id = @id",
            ("@id", Some("billing_account")), ("@number", Number("+")));
        Inserted(inserted, "subscriber");
    }

    private async Task InsertAccountAsync()
    {
        var inserted = await ExecuteAsync(
            "INSERT INTO billing_account (customer_id, account_number, currency, bill_cycle_day, opened_at) SELECT customer_id, @number, 'EUR', 7, UTC_TIMESTAMP(6) FROM customer WHERE customer_id = @id",
            ("@id", Some("customer")), ("@number", Number("W")));
        Inserted(inserted, "billing_account");
    }

    /// <summary>A bill run in small: some unbilled charges of an account get one of its bills.</summary>
    private async Task BillChargesAsync()
    {
        var bill = Some("bill");
        _pending = _pending with
        {
            Updates = _pending.Updates + await ExecuteAsync(
                "UPDATE charge c JOIN bill b ON b.account_id = c.account_id SET c.bill_id = b.bill_id WHERE b.bill_id = @id AND c.bill_id IS NULL AND c.charge_id % 3 = @rest",
                ("@id", bill), ("@rest", _random.Next(3))),
        };
    }

    private async Task MoveSubscriberAsync() => _pending = _pending with
    {
        Updates = _pending.Updates + await ExecuteAsync(
            "UPDATE subscriber SET account_id = @account WHERE subscriber_id = @id", ("@id", Some("subscriber")), ("@account", Some("billing_account"))),
    };

    private async Task UpdateAsync(string sql, string table) =>
        _pending = _pending with { Updates = _pending.Updates + await ExecuteAsync(sql, ("@id", Some(table)), ("@amount", Amount())) };

    private async Task DeleteAsync(string sql, string table) =>
        _pending = _pending with { Deletes = _pending.Deletes + await ExecuteAsync(sql, ("@id", Some(table))) };

    private void Inserted(int rows, string table)
    {
        _pending = _pending with { Inserts = _pending.Inserts + rows };
        _most[table] += rows;
    }

    private async Task<int> ExecuteAsync(string sql, params (string Name, object Value)[] parameters)
    {
        await using var command = new MySqlCommand(sql, _connection);
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return await command.ExecuteNonQueryAsync();
    }

    private long Some(string table) => _random.NextInt64(1, _most[table] + 1);

    private decimal Amount() => _random.Next(-5_000, 20_000) / 100m;

    private string Number(string prefix) => $"{prefix}{_random.NextInt64(1_000_000_000_000_000, 9_999_999_999_999_999)}";
}
