import { Column, Entity, JoinColumn, OneToOne, PrimaryGeneratedColumn } from 'typeorm';

@Entity()
export class User {
  @PrimaryGeneratedColumn() id!: number;
  @Column('text') name!: string;
  @Column('text', { unique: true }) email!: string;
}

@Entity()
export class Profile {
  @PrimaryGeneratedColumn() id!: number;
  @OneToOne(() => User, { nullable: false })
  @JoinColumn()
  user!: User;
  @Column('text') nickname!: string;
}

@Entity()
export class Customer {
  @PrimaryGeneratedColumn() id!: number;
  @Column('text') name!: string;
}

@Entity()
export class Product {
  @PrimaryGeneratedColumn() id!: number;
  @Column('text') title!: string;
  /** A file name in the images folder. */
  @Column('text') image!: string;
}
