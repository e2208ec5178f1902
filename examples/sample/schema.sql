-- Sample billing database: the schema that the default model (migration.json beside this file) maps. For MySQL 5.7+ and MariaDB 10.5+.

CREATE TABLE customer (
  customer_id       BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_number   VARCHAR(20)     NOT NULL,
  customer_type     ENUM('RESIDENTIAL','BUSINESS','ENTERPRISE') NOT NULL DEFAULT 'RESIDENTIAL',
  first_name        VARCHAR(80)     NULL,
  last_name         VARCHAR(80)     NULL,
  company_name      VARCHAR(120)    NULL,
  email             VARCHAR(254)    NULL,
  birth_date        DATE            NULL,
  tax_id            VARCHAR(32)     NULL,
  address           JSON            NOT NULL,
  marketing_consent TINYINT(1)      NOT NULL DEFAULT 0,
  notes             TEXT            NULL,
  created_at        TIMESTAMP(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at        TIMESTAMP(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (customer_id),
  UNIQUE KEY customer_number (customer_number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE billing_account (
  account_id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id    BIGINT UNSIGNED NOT NULL,
  account_number VARCHAR(20)     NOT NULL,
  status         ENUM('ACTIVE','SUSPENDED','CLOSED') NOT NULL DEFAULT 'ACTIVE',
  currency       CHAR(3)         NOT NULL,
  balance        DECIMAL(14,2)   NOT NULL DEFAULT 0,
  credit_limit   DECIMAL(14,2)   NULL,
  bill_cycle_day TINYINT UNSIGNED NOT NULL,
  payment_method ENUM('INVOICE','DIRECT_DEBIT','CARD') NOT NULL DEFAULT 'INVOICE',
  iban           VARCHAR(34)     NULL,
  preferences    JSON            NULL,
  opened_at      DATETIME(6)     NOT NULL,
  closed_at      DATETIME(6)     NULL,
  updated_at     TIMESTAMP(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (account_id),
  UNIQUE KEY account_number (account_number),
  KEY customer_id (customer_id),
  CONSTRAINT billing_account_customer FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE subscriber (
  subscriber_id  BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  account_id     BIGINT UNSIGNED NOT NULL,
  phone_number   VARCHAR(20)     NOT NULL,
  imsi           BIGINT UNSIGNED NULL,
  display_name   VARCHAR(100)    NULL,
  status         ENUM('ACTIVE','SUSPENDED','TERMINATED') NOT NULL DEFAULT 'ACTIVE',
  features       SET('VOICE','DATA','SMS','ROAMING') NOT NULL DEFAULT '',
  pin_hash       BINARY(32)      NULL,
  activated_at   DATETIME(6)     NOT NULL,
  deactivated_at DATETIME(6)     NULL,
  PRIMARY KEY (subscriber_id),
  UNIQUE KEY phone_number (phone_number),
  UNIQUE KEY subscriber_account (subscriber_id, account_id),
  KEY account_id (account_id),
  CONSTRAINT subscriber_account FOREIGN KEY (account_id) REFERENCES billing_account (account_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE service_agreement (
  agreement_id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  subscriber_id    BIGINT UNSIGNED NOT NULL,
  account_id       BIGINT UNSIGNED NOT NULL,
  product_code     VARCHAR(32)     NOT NULL,
  status           ENUM('PENDING','ACTIVE','ENDED') NOT NULL DEFAULT 'ACTIVE',
  monthly_fee      DECIMAL(10,2)   NOT NULL,
  discount_percent DECIMAL(5,2)    NULL,
  start_date       DATE            NOT NULL,
  end_date         DATE            NULL,
  auto_renew       TINYINT(1)      NOT NULL DEFAULT 1,
  terms            JSON            NULL,
  PRIMARY KEY (agreement_id),
  KEY subscriber_account (subscriber_id, account_id),
  -- Moving a subscriber to another account moves its agreements.
  CONSTRAINT service_agreement_subscriber FOREIGN KEY (subscriber_id, account_id)
    REFERENCES subscriber (subscriber_id, account_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE bill (
  bill_id      BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  account_id   BIGINT UNSIGNED NOT NULL,
  bill_number  VARCHAR(24)     NOT NULL,
  status       ENUM('DRAFT','ISSUED','OVERDUE','PAID','CANCELLED') NOT NULL DEFAULT 'DRAFT',
  period_start DATE            NOT NULL,
  period_end   DATE            NOT NULL,
  bill_date    DATE            NOT NULL,
  due_date     DATE            NOT NULL,
  subtotal     DECIMAL(14,2)   NOT NULL,
  tax_amount   DECIMAL(14,2)   NOT NULL,
  total        DECIMAL(14,2)   NOT NULL,
  amount_paid  DECIMAL(14,2)   NOT NULL DEFAULT 0,
  paid_at      DATETIME(6)     NULL,
  created_at   TIMESTAMP(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (bill_id),
  UNIQUE KEY bill_number (bill_number),
  KEY account_date (account_id, bill_date),
  KEY status_due (status, due_date),
  CONSTRAINT bill_account FOREIGN KEY (account_id) REFERENCES billing_account (account_id) ON DELETE CASCADE ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE charge (
  charge_id     BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  account_id    BIGINT UNSIGNED NOT NULL,
  subscriber_id BIGINT UNSIGNED NULL,
  bill_id       BIGINT UNSIGNED NULL,
  charge_type   ENUM('RECURRING','USAGE','ONE_TIME','DISCOUNT','ADJUSTMENT') NOT NULL,
  description   VARCHAR(200)    NOT NULL,
  quantity      DECIMAL(16,6)   NOT NULL DEFAULT 1,
  amount        DECIMAL(14,4)   NOT NULL,
  tax_amount    DECIMAL(14,4)   NOT NULL,
  charged_at    DATETIME(6)     NOT NULL,
  created_at    TIMESTAMP(6)    NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (charge_id),
  KEY account_charged (account_id, charged_at),
  KEY subscriber_charged (subscriber_id, charged_at),
  KEY bill_id (bill_id),
  CONSTRAINT charge_account FOREIGN KEY (account_id) REFERENCES billing_account (account_id) ON DELETE CASCADE ON UPDATE CASCADE,
  CONSTRAINT charge_subscriber FOREIGN KEY (subscriber_id) REFERENCES subscriber (subscriber_id) ON DELETE SET NULL ON UPDATE CASCADE,
  -- A charge is unbilled until a bill run gives it a bill.
  CONSTRAINT charge_bill FOREIGN KEY (bill_id) REFERENCES bill (bill_id) ON DELETE SET NULL ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
