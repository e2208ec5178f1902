using System.Globalization;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>One connection's random transactions.</summary>
internal sealed class TortureWriter(MySqlConnection connection, RowIds ids, Random random, int number)
{
    /// <summary>
    /// Deadlock, lock wait, duplicate number, a parent or child in the way; MariaDB also says 1020 (the row changed since the snapshot) and 1467 (a
    /// deadlock on the lock that gives out AUTO_INCREMENT values), XA says 1614 (rolled back because of a deadlock), 1761 and 1762 are a key that a cascade would give twice, and 1305 is a savepoint that went with
    /// the transaction.
    /// </summary>
    private static readonly HashSet<int> Refusals = [1213, 1205, 1062, 1216, 1217, 1451, 1452, 1020, 1467, 1614, 1613, 1305, 1761, 1762];

    private long transactions;

    public long Committed { get; private set; }

    public async Task BeginSessionAsync(bool compressed)
    {
        await ExecuteAsync("SET time_zone = '+00:00', innodb_lock_wait_timeout = 5");
        if (compressed && !(await ScalarAsync("SELECT VERSION()")).Contains("MariaDB", StringComparison.Ordinal))
        {
            await ExecuteAsync("SET SESSION binlog_transaction_compression = ON, SESSION binlog_row_value_options = 'PARTIAL_JSON'");
        }
    }

    public async Task TransactAsync()
    {
        transactions++;
        try
        {
            switch (random.Next(100))
            {
                case < 2:
                    await XaAsync();
                    break;
                case < 8:
                    // One statement, one transaction.
                    await ChangeAsync();
                    break;
                default:
                    await BeginToCommitAsync();
                    break;
            }
        }
        catch (MySqlException e) when (Refusals.Contains(e.Number))
        {
            await TryAsync("ROLLBACK");
        }
    }

    private async Task BeginToCommitAsync()
    {
        await ExecuteAsync("BEGIN");
        for (var n = random.Next(1, 6); n > 0; n--)
        {
            await ChangeAsync();
        }

        if (random.Next(10) == 0)
        {
            await ExecuteAsync("SAVEPOINT before_it");
            await ChangeAsync();
            await ChangeAsync();
            await ExecuteAsync(random.Next(3) == 0 ? "RELEASE SAVEPOINT before_it" : "ROLLBACK TO SAVEPOINT before_it");
            await ChangeAsync();
        }

        var commit = random.Next(20) > 0;
        await ExecuteAsync(commit ? "COMMIT" : "ROLLBACK");
        Committed += commit ? 1 : 0;
    }

    private async Task XaAsync()
    {
        var xid = string.Create(CultureInfo.InvariantCulture, $"'torture-{number}-{transactions}','{connection.ServerThread}',1");
        await ExecuteAsync($"XA START {xid}");
        try
        {
            await ChangeAsync();
            await ChangeAsync();
            await ExecuteAsync($"XA END {xid}");
            await ExecuteAsync($"XA PREPARE {xid}");
        }
        catch (MySqlException e) when (Refusals.Contains(e.Number))
        {
            await TryAsync($"XA END {xid}");
            await TryAsync($"XA ROLLBACK {xid}");
            return;
        }

        var commit = random.Next(4) > 0;
        await ExecuteAsync($"XA {(commit ? "COMMIT" : "ROLLBACK")} {xid}");
        Committed += commit ? 1 : 0;
    }

    private Task ChangeAsync() => random.Next(1000) switch
    {
        < 220 => InsertChargeAsync(),
        < 250 => InsertAccountTreeAsync(),
        < 290 => BillRunAsync(),
        < 420 => ExecuteAsync("UPDATE billing_account SET balance = balance + @amount WHERE account_id = @id", ("@amount", Amount()), Id("billing_account")),
        < 480 => ExecuteAsync("UPDATE bill SET status = ELT(1 + @n % 5, 'DRAFT', 'ISSUED', 'OVERDUE', 'PAID', 'CANCELLED'), amount_paid = total WHERE bill_id = @id", ("@n", random.Next(5)), Id("bill")),
        // Only of small ones: a looked-up column of a large account changes thousands of charges.
        < 490 => ExecuteAsync("UPDATE billing_account SET payment_method = ELT(1 + @n % 3, 'INVOICE', 'DIRECT_DEBIT', 'CARD') WHERE account_id = @id AND (SELECT COUNT(*) FROM charge WHERE charge.account_id = @id) < 200", ("@n", random.Next(3)), Id("billing_account")),
        < 520 => ExecuteAsync("UPDATE subscriber SET status = IF(status = 'ACTIVE', 'SUSPENDED', 'ACTIVE'), features = features ^ @n, display_name = CONCAT('名前 ', @n) WHERE subscriber_id = @id", ("@n", random.Next(1, 16)), Id("subscriber")),
        < 600 => JsonAsync(),
        < 640 => SortKeyAsync(),
        < 680 => ExecuteAsync("UPDATE subscriber SET account_id = @account WHERE subscriber_id = @id", ("@account", ids.Some("billing_account", random)), Id("subscriber")),
        < 700 => BulkAsync(),
        < 730 => PrimaryKeyAsync(),
        < 770 => UpsertAsync(),
        < 900 => ExecuteAsync("DELETE FROM charge WHERE charge_id = @id", Id("charge")),
        < 930 => ExecuteAsync("DELETE FROM service_agreement WHERE agreement_id = @id", Id("service_agreement")),
        < 960 => ExecuteAsync("DELETE FROM bill WHERE bill_id = @id", Id("bill")),
        < 985 => ExecuteAsync("DELETE FROM subscriber WHERE subscriber_id = @id", Id("subscriber")),
        // Only the small ones: a large account would end the trial's data at once.
        < 998 => ExecuteAsync("DELETE FROM billing_account WHERE account_id = @id AND (SELECT COUNT(*) FROM charge WHERE charge.account_id = @id) < 200", Id("billing_account")),
        _ => ExecuteAsync("DELETE FROM customer WHERE customer_id = @id", Id("customer")),
    };

    private async Task InsertChargeAsync()
    {
        await ExecuteAsync(
            """
            INSERT INTO charge (account_id, subscriber_id, charge_type, description, quantity, amount, tax_amount, charged_at)
            SELECT account_id, subscriber_id, ELT(1 + @n % 5, 'RECURRING', 'USAGE', 'ONE_TIME', 'DISCOUNT', 'ADJUSTMENT'), CONCAT('written live ✎ ', @n), 1.5, @amount,
              ROUND(@amount * 0.19, 4), UTC_TIMESTAMP(6) FROM subscriber WHERE subscriber_id = @id
            """,
            ("@n", random.Next(100_000)), ("@amount", Amount()), Id("subscriber"));
        await RememberAsync("charge");
    }

    /// <summary>An account and something of everything below it.</summary>
    private async Task InsertAccountTreeAsync()
    {
        if (await ExecuteAsync(
            "INSERT INTO billing_account (customer_id, account_number, currency, bill_cycle_day, opened_at, preferences) SELECT customer_id, @number, 'EUR', 7, UTC_TIMESTAMP(6), '{\"a\": [1, 2.50, \"ü\"]}' FROM customer WHERE customer_id = @id",
            ("@number", Number("T")), Id("customer")) == 0)
        {
            return;
        }

        var account = await RememberAsync("billing_account");
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            await ExecuteAsync("INSERT INTO subscriber (account_id, phone_number, imsi, activated_at) VALUES (@account, @number, @n, UTC_TIMESTAMP(6))", ("@account", account), ("@number", Number("+")), ("@n", random.NextInt64()));
            var subscriber = await RememberAsync("subscriber");
            await ExecuteAsync("INSERT INTO service_agreement (subscriber_id, account_id, product_code, monthly_fee, start_date) VALUES (@subscriber, @account, 'FLAT', 9.90, '2026-01-01')", ("@subscriber", subscriber), ("@account", account));
            await RememberAsync("service_agreement");
            await ExecuteAsync("INSERT INTO charge (account_id, subscriber_id, charge_type, description, amount, tax_amount, charged_at) VALUES (@account, @subscriber, 'ONE_TIME', 'activation', 10, 1.9, UTC_TIMESTAMP(6))", ("@subscriber", subscriber), ("@account", account));
            await RememberAsync("charge");
        }
    }

    /// <summary>A new bill takes the account's unbilled charges.</summary>
    private async Task BillRunAsync()
    {
        if (await ExecuteAsync(
            """
            INSERT INTO bill (account_id, bill_number, status, period_start, period_end, bill_date, due_date, subtotal, tax_amount, total)
            SELECT account_id, @number, 'ISSUED', '2025-12-01', '2025-12-31', '2026-01-02', '2026-01-16', 100.00, 19.00, 119.00 FROM billing_account WHERE account_id = @id
            """,
            ("@number", Number("T")), Id("billing_account")) == 0)
        {
            return;
        }

        var bill = await RememberAsync("bill");
        await ExecuteAsync("UPDATE charge c JOIN bill b ON b.account_id = c.account_id SET c.bill_id = b.bill_id WHERE b.bill_id = @bill AND c.bill_id IS NULL AND c.charge_id % 3 = @rest", ("@bill", bill), ("@rest", random.Next(3)));
    }

    private Task<int> JsonAsync() => random.Next(6) switch
    {
        0 => ExecuteAsync("UPDATE customer SET address = JSON_SET(address, '$.zip', @n, '$.city', 'Köln'), notes = IF(notes IS NULL, '', NULL) WHERE customer_id = @id", ("@n", Number("")), Id("customer")),
        1 => ExecuteAsync("UPDATE customer SET address = JSON_REMOVE(address, '$.city') WHERE customer_id = @id", Id("customer")),
        2 => ExecuteAsync("UPDATE customer SET address = JSON_REPLACE(address, '$.zip', @n * 1.25) WHERE customer_id = @id", ("@n", random.Next()), Id("customer")),
        3 => ExecuteAsync("UPDATE billing_account SET preferences = JSON_SET(preferences, '$.limits', JSON_OBJECT('daily', @n, 'at', NOW(6))) WHERE account_id = @id", ("@n", random.Next(1000)), Id("billing_account")),
        4 => ExecuteAsync("UPDATE billing_account SET preferences = JSON_ARRAY_INSERT(preferences, '$.a[1]', @n) WHERE account_id = @id AND JSON_LENGTH(preferences, '$.a') < 20", ("@n", random.Next()), Id("billing_account")),
        _ => ExecuteAsync("UPDATE service_agreement SET terms = JSON_OBJECT('months', @n, 'note', REPEAT('x', @n)) WHERE agreement_id = @id", ("@n", random.Next(300)), Id("service_agreement")),
    };

    /// <summary>Columns that stand in item keys, and such that put an item into an index or take it out.</summary>
    private Task<int> SortKeyAsync() => random.Next(3) switch
    {
        0 => ExecuteAsync("UPDATE charge SET charged_at = charged_at + INTERVAL @n SECOND WHERE charge_id = @id", ("@n", random.Next(-5000, 5000)), Id("charge")),
        1 => ExecuteAsync("UPDATE bill SET bill_date = bill_date + INTERVAL @n DAY WHERE bill_id = @id", ("@n", random.Next(-40, 40)), Id("bill")),
        _ => ExecuteAsync("UPDATE service_agreement SET end_date = IF(@n < 10, NULL, start_date + INTERVAL @n DAY) WHERE agreement_id = @id", ("@n", random.Next(400)), Id("service_agreement")),
    };

    private Task<int> BulkAsync() => random.Next(3) switch
    {
        0 => ExecuteAsync("UPDATE charge SET amount = amount + 0.0001 WHERE charge_id % 997 = @rest LIMIT 300", ("@rest", random.Next(997))),
        1 => ExecuteAsync("UPDATE subscriber SET display_name = CONCAT(@rest, ' bulk') WHERE subscriber_id % 97 = @rest LIMIT 100", ("@rest", random.Next(97))),
        _ => ExecuteAsync("DELETE FROM charge WHERE charge_id % 4999 = @rest LIMIT 20", ("@rest", random.Next(4999))),
    };

    /// <summary>A new primary key: its children follow by ON UPDATE CASCADE, over one level or two.</summary>
    private async Task PrimaryKeyAsync()
    {
        var (table, column) = random.Next(5) switch
        {
            4 => ("service_agreement", "agreement_id"),
            0 => ("billing_account", "account_id"),
            1 => ("bill", "bill_id"),
            2 => ("charge", "charge_id"),
            _ => ("subscriber", "subscriber_id"),
        };
        var id = ids.Fresh();
        var limit = table == "billing_account" ? " AND (SELECT COUNT(*) FROM charge WHERE charge.account_id = @id) < 200" : "";
        if (await ExecuteAsync($"UPDATE {table} SET {column} = @fresh WHERE {column} = @id{limit}", ("@fresh", id), Id(table)) > 0)
        {
            ids.Add(table, id, random);
        }
    }

    private Task<int> UpsertAsync() => random.Next(2) switch
    {
        // A duplicate number is a delete and an insert for REPLACE, cascades included, and an update for the other.
        0 => ExecuteAsync("REPLACE INTO service_agreement (agreement_id, subscriber_id, account_id, product_code, monthly_fee, start_date) SELECT @agreement, subscriber_id, account_id, 'REPLACED', @amount, '2026-02-01' FROM subscriber WHERE subscriber_id = @id", ("@agreement", ids.Some("service_agreement", random)), ("@amount", Math.Abs(Amount())), Id("subscriber")),
        _ => ExecuteAsync("INSERT INTO billing_account (account_id, customer_id, account_number, currency, bill_cycle_day, opened_at) SELECT account_id, customer_id, account_number, currency, bill_cycle_day, opened_at FROM billing_account b WHERE b.account_id = @id ON DUPLICATE KEY UPDATE credit_limit = @amount", ("@amount", Math.Abs(Amount())), Id("billing_account")),
    };

    private async Task<long> RememberAsync(string table)
    {
        var id = long.Parse(await ScalarAsync("SELECT LAST_INSERT_ID()"), CultureInfo.InvariantCulture);
        ids.Add(table, id, random);
        return id;
    }

    private (string Name, object Value) Id(string table) => ("@id", ids.Some(table, random));

    private decimal Amount() => random.Next(-5_000, 20_000) / 100m;

    private string Number(string prefix) => $"{prefix}{random.NextInt64(1_000_000_000_000_000, 9_999_999_999_999_999)}";

    private async Task<int> ExecuteAsync(string sql, params (string Name, object Value)[] parameters)
    {
        await using var command = new MySqlCommand(sql, connection);
        foreach (var (name, value) in parameters)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return await command.ExecuteNonQueryAsync();
    }

    private async Task TryAsync(string sql)
    {
        try
        {
            await ExecuteAsync(sql);
        }
        catch (MySqlException)
        {
            // Nothing was under way any more.
        }
    }

    private async Task<string> ScalarAsync(string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture) ?? "";
    }
}
